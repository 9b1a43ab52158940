"""What the stories call through the `fdk` package of today."""

import asyncio
import gc

from fdk import response
from fdk.async_http.protocol import HttpProtocol

HANG_UP_AFTER_S = 0.05


def handler(ctx, data=None):
    body = data.getvalue().decode()
    if body == "fail":
        raise RuntimeError("told to fail")
    if body == "hang up":
        hang_up()
    if body == "who":
        body = f"{ctx.CallID()} {ctx.Method()} {ctx.RequestURL()}"
    headers = {"Content-Type": "text/plain", "X-Colour": "green"}
    return response.Response(ctx, response_data=body, status_code=201, headers=headers)


def hang_up():
    """Closes the kit's connections a moment from now, as a function may while it idles."""
    loop = asyncio.get_event_loop()
    for connection in [o for o in gc.get_objects() if isinstance(o, HttpProtocol)]:
        loop.call_later(HANG_UP_AFTER_S, connection.transport.close)
