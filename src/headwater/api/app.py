"""The application: its routes, and what holds for all of them.

Not here: opening anything, or running a server.
"""

from fastapi import Depends, FastAPI

from headwater.api import (
    catalogue,
    consumers,
    credentials,
    dead_letters,
    hooks,
    http_consumers,
    keys,
    links,
    oauth_apps,
    openapi,
    orders,
    page,
    problems,
    streams,
    syncs,
    system,
    tail,
    targets,
    webhooks,
)
from headwater.api.head import Head
from headwater.api.parts import Parts
from headwater.api.strict import BodyLimit, refuse_unknown_parameters
from headwater.api.timing import Timing


def create(parts: Parts, *, only_system: bool = False) -> FastAPI:
    """Return the application that serves these parts; `only_system`: no more than health and metrics."""
    app = FastAPI(
        title="Headwater",
        version=parts.version,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        dependencies=[Depends(refuse_unknown_parameters)],
    )
    app.add_middleware(BodyLimit, largest=parts.largest_body)
    app.add_middleware(Timing, answered=parts.answered)
    app.add_middleware(Head)
    app.state.parts = parts
    app.state.query_parameters = {}
    problems.install(app)
    openapi.install(app)
    whole = (
        tail,
        streams,
        catalogue,
        credentials,
        oauth_apps,
        links,
        syncs,
        hooks,
        orders,
        targets,
        consumers,
        http_consumers,
        dead_letters,
        keys,
        webhooks,
        page,
    )
    for part in (system,) if only_system else (*whole, system):
        app.include_router(part.router)
    return app
