"""The instruments.

Each is defined once (``forms/*.md``); the definition drives the server's form, the raw table, the basic expectations
and the labels.
"""

from vmeste.forms.build import build
from vmeste.forms.check import check
from vmeste.forms.labels import Label, labels
from vmeste.forms.model import REPEAT, Choice, Condition, Form, FormError, Problem, Question
from vmeste.forms.reader import load_form, load_forms

__all__ = [
    "REPEAT",
    "Choice",
    "Condition",
    "Form",
    "FormError",
    "Label",
    "Problem",
    "Question",
    "build",
    "check",
    "labels",
    "load_form",
    "load_forms",
]
