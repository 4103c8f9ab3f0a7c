"""Results as a Markdown section and as a page.

findings    result files, nothing in them taken at its word
published   the papers' own figures, kept apart from ours
chance      what an answer that knows nothing scores
page, blocks, summary
            results as a page's model: tables, notes, what ours is not better in
plots, curves
            geometry of ladders, confusion grids and curves
markdown, html, wording
            the model written down
"""
