"""What can be asked of the page, a module for each screen."""

from optimizer.agent.web.routes import (
    api,
    boards,
    entrance,
    history,
    identity,
    live,
    money,
    overview,
    people,
    recommendation,
    rules,
    simulator,
    switch,
)

ROUTERS = (
    entrance.router,
    identity.router,
    overview.router,
    recommendation.router,
    boards.router,
    history.router,
    live.router,
    money.router,
    rules.router,
    simulator.router,
    switch.router,
    people.router,
    api.router,
)

__all__ = ["ROUTERS"]
