"""What schemathesis does not know of the service. Loaded by it through SCHEMATHESIS_HOOKS."""

import json
import os
import re

import requests
import schemathesis

JOB = {
    "user_id": "123e4567-e89b-12d3-a456-426614174000",
    "resource_type": "ai_agent",
    "resource_id": "456e7890-e89b-12d3-a456-426614174001",
}
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

first_uses = {}


@schemathesis.hook
def before_call(context, case, kwargs):
    wait_briefly(case)
    use_key_once(case)
    if case.operation.path == "/api/jobs/{id}/events":
        end_job(str(case.path_parameters.get("id")), kwargs)


def wait_briefly(case):
    """A job of a kind that nobody knows never ends, and a minute's wait for it, or for work, finds nothing out."""
    wait = str((case.query or {}).get("wait"))
    if wait.isdecimal() and int(wait) > 1:
        case.query["wait"] = 1
    if isinstance(case.body, dict) and isinstance(case.body.get("wait"), int) and case.body["wait"] > 1:
        case.body["wait"] = 1
    wish = (case.headers or {}).get("Prefer")
    if isinstance(wish, str):
        case.headers["Prefer"] = re.sub(r"wait=\d+", "wait=1", wish)


def use_key_once(case):
    """Another body with a key that was used before is refused, as it should be: that finds nothing out, either."""
    key = (case.headers or {}).get("Idempotency-Key")
    if not isinstance(key, str):
        return
    use = (case.operation.path, repr(case.body))
    if first_uses.setdefault(key.strip('"').replace("\\", ""), use) != use:
        del case.headers["Idempotency-Key"]


def end_job(job_id, kwargs):
    """The stream of a job's events ends with the job, and schemathesis reads answers to their end."""
    if not UUID.fullmatch(job_id):
        return
    key = os.environ.get("FUZZ_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    requests.post(f"{os.environ['FUZZ_URL']}/api/jobs/{job_id}/cancel", headers=headers, timeout=10)


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    """A line that holds a job, with what was made up in it; anything else is sent as it is, and is no line of ours."""
    job = {**JOB, "payload": {"text": value}} if isinstance(value, str) else value
    return json.dumps(job).encode()
