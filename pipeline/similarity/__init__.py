"""Whether two texts are the same story: signatures, and what they say of each other.

    boilerplate ─► words ─► signature ─► (the ledger's index) ─► likeness ─► the same, or not

Nothing here knows of Beam, the ledger or a record: texts go in, numbers come out.
"""
