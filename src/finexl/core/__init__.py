"""The paper's mathematics on plain arrays: no files, no models, no printing.

§4.1  divergence       V_div from paired or unpaired embeddings        Eq. 4, 5
§4.3  concepts         a concept's vector from the text encoder        Eq. 6
§4.4  orthogonality    is a concept redundant with those kept          Eq. 8, 9
§4.5  decompositions   V_div as a weighted sum of concepts             Eq. 10, 11
      subspace         the space in which they work
      significance     is there a difference, and along which concepts
      uncertainty      shares, intervals, stability
      analysis         all of it in order, for one model
"""
