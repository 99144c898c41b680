"""News articles of our own, for `demo`, `publish --generate` and tests.

`generate` makes any number of messages from templates; `load` reads the 300 that ship with the
package, so that a first look needs no computing and shows every form.
"""

from pipeline.samples.generate import generate
from pipeline.samples.message import SampleMessage
from pipeline.samples.shipped import load

__all__ = ["SampleMessage", "generate", "load"]
