"""Host commands from Python: a client of `hotfn command-server`, and of a DataFlux Func Sidecar.

    import sidecar

    host = sidecar.Sidecar("http://172.17.0.1:8099", "the secret key")
    status, told = host.shell("ls -l /home", wait=True, workdir="/", envs={"LANG": "C"})
    print(told["data"]["stdout"])

Needs nothing but the standard library. A request is signed over the very bytes that are sent, so they
are made once. An answer of 400 or above is an exception; what the command itself did is in the answer.
"""

import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
import uuid


class SidecarError(Exception):
    """The service did not do what it was asked to."""

    def __init__(self, status, text):
        super().__init__(f"{status}: {text}")
        self.status = status
        self.text = text


class Sidecar:
    """A service of host commands, and the key to it."""

    def __init__(self, url, secret_key):
        self.url = url.rstrip("/")
        self.secret_key = secret_key.encode()

    def shell(self, cmd, wait=True, workdir=None, envs=None, callback_url=None, timeout=10):
        """Has `cmd` run by a shell; gives `(status, document)`.

        `timeout`, in s, is for the answer alone: the command goes on without us. `envs` is a mapping,
        or a list of "NAME=VALUE".
        """
        body = {"command": cmd, "wait": wait}
        if workdir:
            body["workdir"] = workdir
        if envs:
            body["envs"] = [f"{k}={v}" for k, v in envs.items()] if isinstance(envs, dict) else list(envs)
        if callback_url:
            body["callbackURL"] = callback_url
        return self.call("POST", "/shell", body=body, timeout=timeout)

    def call(self, method, path, body=None, timeout=10):
        """One signed request; gives `(status, document)`."""
        data = b"" if body is None else json.dumps(body).encode()
        nonce, timestamp = uuid.uuid4().hex, str(int(time.time()))
        said = "\n".join([method.upper(), path, nonce, timestamp, ""]).encode() + data
        headers = {
            "Content-Type": "application/json",
            "X-Auth-Nonce": nonce,
            "X-Auth-Timestamp": timestamp,
            "X-Auth-Signature": hmac.new(self.secret_key, said, hashlib.sha1).hexdigest().upper(),
        }
        request = urllib.request.Request(self.url + path, data=data or None, headers=headers, method=method.upper())
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as e:
            raise SidecarError(e.code, e.read().decode(errors="replace")) from None
