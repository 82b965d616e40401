"""Judges what the service API answered by its own document, docs/openapi.json.

    judge = openapi.Judge(document)
    judge.hear("GET", "/v1/users/telegram/5", None, 200, "application/json", {...})
    judge.wrong  # {what: why}

An answer whose path and method the document has must have a status, a type and a body that it has too; a body that was taken (2xx) must be
one that it allows. Of each operation and status a hundred are looked at.
"""
import collections
import json
import os
import re

import jsonschema

DOCUMENT = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "docs", "openapi.json")
ENOUGH = 100
ANYWHERE = {405, 431, 500}  # of no operation: another method, a head too long, a defect
JUDGED_ALONE = {"/v1/events"}  # 200 though some of what was sent was rejected


def load():
    with open(DOCUMENT) as file:
        return json.load(file)


class Judge:
    def __init__(self, document):
        self.document, self.wrong, self.heard = document, {}, collections.Counter()
        # What is spelled out goes before what a parameter fills.
        paths = sorted(document["paths"], key=lambda path: path.count("{"))
        self.paths = [(re.compile(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(path)) + r"\Z"), path) for path in paths]

    def operation(self, method, path):
        for pattern, template in self.paths:
            if pattern.match(path) and method.lower() in self.document["paths"][template]:
                return template, self.document["paths"][template][method.lower()]
        return None, None

    def fits(self, schema, value):
        """Why a value is not of a schema; None when it is."""
        whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": self.document["components"], **schema}
        error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(whole).iter_errors(value))
        return error and f"{error.json_path}: {error.message[:300]}"

    def judge(self, template, operation, sent, status, kind, body):
        said = operation["responses"].get(str(status))
        if said is None:
            return f"{status} is not among its answers"
        contents = said.get("content", {})
        if not contents and body is None:
            return None
        if kind not in contents:
            return f"{kind!r} is not among the types of its {status}"
        why = self.fits(contents[kind]["schema"], body)
        if why is None and status < 300 and sent is not None and "requestBody" in operation and template not in JUDGED_ALONE:
            why = self.fits(operation["requestBody"]["content"]["application/json"]["schema"], sent)
        return why

    def hear(self, method, path, sent, status, kind, body):
        template, operation = self.operation(method, path.split("?")[0])
        if operation is None or status in ANYWHERE:
            return
        self.heard[method, template, status] += 1
        if self.heard[method, template, status] <= ENOUGH:
            why = self.judge(template, operation, sent, status, kind, body)
            if why:
                self.wrong[f"{method} {path} {status} {json.dumps(body)[:300]}"] = why
