"""Checks replies against the Engine API's own description (Swagger 2): types, enums, required and unknown members."""
import yaml

# Docker sends these although its description does not name them.
UNDESCRIBED = {"ContainerdCommit.Expected", "Expected"}
# Go pointers that Docker sends as null without saying so.
NULLABLE = (".MemorySwappiness", ".OomKillDisable", ".PidsLimit", ".Init", ".StopTimeout")
SCALARS = {"string": str, "boolean": bool, "integer": int, "number": (int, float)}


class Schema:
    def __init__(self, path):
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        with open(path) as file:
            self.document = yaml.load(file, Loader=loader)

    def reply_of(self, path, method="get", status=200):
        return self.document["paths"][path][method]["responses"][status]["schema"]

    def problems(self, value, schema, where="$"):
        """Every place where the value is not what the schema says, in words."""
        schema = self._resolve(schema)
        if value is None:
            # Go's empty slices, maps and pointers are null on the wire whatever the description says.
            ok = schema.get("x-nullable") or schema.get("type") in ("object", "array", None) or where.endswith(NULLABLE)
            return [] if ok else [f"{where}: null"]
        kind = schema.get("type", "object" if "properties" in schema else None)
        if kind == "object":
            return self._object(value, schema, where)
        if kind == "array":
            if not isinstance(value, list):
                return [f"{where}: {type(value).__name__} instead of array"]
            return [p for n, item in enumerate(value) for p in self.problems(item, schema["items"], f"{where}[{n}]")]
        if kind in SCALARS:
            if not isinstance(value, SCALARS[kind]) or (kind != "boolean" and isinstance(value, bool)):
                return [f"{where}: {type(value).__name__} instead of {kind}"]
            if "enum" in schema and value not in schema["enum"] and value != "":
                return [f"{where}: {value!r} is not one of {schema['enum']}"]
        return []

    def _object(self, value, schema, where):
        if not isinstance(value, dict):
            return [f"{where}: {type(value).__name__} instead of object"]
        known, more = schema.get("properties", {}), schema.get("additionalProperties")
        found = [f"{where}: no {name}" for name in schema.get("required", []) if name not in value]
        for name, item in value.items():
            if name in known:
                found += self.problems(item, known[name], f"{where}.{name}")
            elif isinstance(more, dict):
                found += self.problems(item, more, f"{where}.{name}")
            elif known and not more and name not in UNDESCRIBED:
                found.append(f"{where}: {name} is not described")
        return found

    def _resolve(self, schema):
        """Follows $ref and joins allOf."""
        while "$ref" in schema:
            schema = self.document["definitions"][schema["$ref"].rsplit("/", 1)[1]]
        if "allOf" not in schema:
            return schema
        joined = {k: v for k, v in schema.items() if k != "allOf"}
        joined["properties"] = dict(joined.get("properties", {}))
        joined["required"] = list(joined.get("required", []))
        for part in map(self._resolve, schema["allOf"]):
            joined["properties"].update(part.get("properties", {}))
            joined["required"] += part.get("required", [])
            joined.setdefault("type", part.get("type", "object"))
        return joined
