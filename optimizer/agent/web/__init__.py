"""The page on which marketers look and decide: a thin shell over the store and the cycle, rendered by the server."""

from optimizer.agent.web.app import build
from optimizer.agent.web.premises import Premises, apart, open_premises
from optimizer.agent.web.server import serve as serve_page
from optimizer.agent.web.server import served as served_page

__all__ = ["Premises", "apart", "build", "open_premises", "serve_page", "served_page"]
