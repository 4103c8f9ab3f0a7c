"""A person's taste on the page: comment -> profile -> steered previews -> models that suit them.

cabinet     the profiles, and what was made from each
sets        pictures to comment on, and small ones of them to show
preparing, extracting, previewing, verifying
            the four jobs, and what each leaves
begun       from what a form or a program asks to one of them in the queue
views       what the templates are given
profiles, comments, suiting, making
            the pages
api, schemas
            the same for programs
"""
