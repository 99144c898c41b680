"""The English entity model that ships with the package, and the code that trains it.

Importing this module is cheap: spaCy is imported by the training modules only.
"""

import pathlib

DEFAULT_MODEL_NAME = "en_articles_sm"
"""Folder name of the shipped model, and the ``name`` in its ``meta.json``."""


def default_model_path() -> pathlib.Path:
    """Return the folder of the shipped model, for ``spacy.load``.

    The folder lies beside this file, in a checkout and in an installed package alike.
    Nothing is read or checked here.
    """
    return pathlib.Path(__file__).resolve().parent / DEFAULT_MODEL_NAME
