import io
import json

from fdk import response


def handler(ctx, data: io.BytesIO = None):
    """Greets whom the call names: {"name": "Ada"}."""
    try:
        name = json.loads(data.getvalue() or b"{}").get("name", "World")
    except (AttributeError, ValueError):
        name = "World"
    return response.Response(
        ctx,
        response_data=json.dumps({"message": f"Hello {name}"}),
        headers={"Content-Type": "application/json"},
    )
