"""Studies of personalization: with people, and with scorers in their place (ViPer §4, B, C).

design, building, page      a ranking test: its key, its files, a person's page
answers, analysis, report   what people handed back, and what it says
lineups, matrices           top-k with intervals; who likes whose pictures
people, gallery             tastes that are known, and pictures made to them
scorers, preference         M, similarity to words, models of people's choices
plan, questions, simulated, results
                            own vs none, own vs others, prompts (Tables 1, 3, 4)
painters, ablations         groups of attributes (Table 5), numbers of comments (C.2)
diversity                   how alike pictures become (C.6)
published                   the paper's figures
"""
