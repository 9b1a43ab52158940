"""What the conformance harness asks of a function: docs/conformance/function.md, a line each."""

import asyncio
import json
import sys

from fdk import response

MARK = b"conformance\n"


async def handler(ctx, data=None):
    headers = {name.lower(): value for name, value in ctx.Headers().items()}
    if "conformance-unread" in headers:
        return answer(ctx, "unread", {})
    body = data.getvalue()
    if not body.startswith(MARK):
        content_type = headers.get("content-type", "application/octet-stream")
        return answer(ctx, body, {"Content-Type": content_type})
    result, status, given = "done", 200, {}
    for order in body[len(MARK):].decode().splitlines():
        word, _, rest = order.partition(" ")
        if word == "bytes":
            result = b"\x00\x01\x02"
        elif word == "fail":
            raise RuntimeError(rest)
        elif word == "header":
            name, _, value = rest.partition(" ")
            # The kit takes a dictionary: the last value of a name is all it can be told.
            given[name] = value
        elif word == "json":
            result = {}
        elif word == "nothing":
            return None
        elif word == "panic":
            len(None)
        elif word == "print":
            print(rest)
            print(rest, file=sys.stderr)
        elif word == "report":
            result = json.dumps(report(ctx))
        elif word == "sleep":
            await asyncio.sleep(int(rest) / 1000)
        elif word == "status":
            status = int(rest)
        elif word == "text":
            result = "text"
        elif word == "type":
            given["Content-Type"] = rest
        else:
            raise ValueError(f"{word} is no order")
    if isinstance(result, dict) or word in ("text", "bytes"):
        # Nothing but the result, for the kit to find out what it is.
        if status == 200 and not given:
            return result
    return answer(ctx, result, given, status)


def answer(ctx, result, headers, status=200):
    return response.Response(ctx, response_data=result, headers=headers, status_code=status)


def report(ctx):
    headers = ctx.HTTPHeaders() if ctx.Headers().get("fn-intent") == "httprequest" else ctx.Headers()
    trace = ctx.TracingContext()
    return {
        "call_id": ctx.CallID(),
        "deadline": ctx.Deadline(),
        "method": ctx.Method(),
        "url": ctx.RequestURL(),
        "headers": {name: value if isinstance(value, list) else [value] for name, value in headers.items()},
        "app_id": ctx.AppID(),
        "fn_id": ctx.FnID(),
        "greeting": ctx.Config().get("CONFORMANCE_GREETING"),
        "trace_id": trace.trace_id() if trace.is_tracing_enabled() else None,
    }
