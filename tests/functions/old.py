"""What the stories call through the `fdk` releases of 2018, in whichever format they speak."""

import fdk


def handler(ctx, data=None, loop=None):
    if hasattr(data, "readall"):  # the release with `http` gives a stream
        data = data.readall().decode()
    elif isinstance(data, bytes):
        data = data.decode()
    if data == "fail":
        raise RuntimeError("told to fail")
    return data


fdk.handle(handler)
