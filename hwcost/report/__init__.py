"""A study on one page: tables in, HTML, Markdown, pictures, CSV and JSON out. No torch."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
