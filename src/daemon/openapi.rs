//! The OpenAPI description, made from the table of actions.

use serde_json::{Map, Value, json};

use crate::actions::{Kind, Parameter, ROUTES, Route};

/// The whole document, OpenAPI 3.1.
pub fn description() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths
            .entry(route.path.to_owned())
            .or_insert_with(|| json!({}));
        path[route.method.to_lowercase()] = operation(route);
    }
    for (path, about) in [
        ("/v1/jobs", "the caller's jobs"),
        ("/v1/jobs/{job}", "one job"),
        ("/v1/jobs/{job}/answer", "what came of a job that has ended"),
        (
            "/v1/jobs/{job}/events",
            "how a job gets on, as server-sent events until `end`",
        ),
    ] {
        paths.insert(path.to_owned(), json!({ "get": job(path, about) }));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tenure",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The admin socket: HTTP/1.1 on a Unix socket. Who asks is known from the \
                            socket. Long work is answered at once with 202 and a job where the request says \
                            `Prefer: respond-async`.",
        },
        "paths": paths,
        "components": { "schemas": { "Failure": {
            "type": "object",
            "required": ["error", "causes", "hint"],
            "properties": {
                "error": { "type": "string" },
                "causes": { "type": "array", "items": { "type": "string" } },
                "hint": { "type": ["string", "null"] },
            },
        } } },
    })
}

fn operation(route: &Route) -> Value {
    let in_path = |p: &&Parameter| route.path.contains(&format!("{{{}}}", p.name));
    let is_get = route.method == "GET";
    let parameters = route.parameters.iter().filter(|p| is_get || in_path(p));
    let parameters = parameters.map(|p| {
        json!({
            "name": p.name,
            "in": if in_path(&p) { "path" } else { "query" },
            "required": p.required || in_path(&p),
            "schema": schema(p),
        })
    });
    let mut roles = vec!["admin"];
    roles.extend(route.roles.iter().map(|role| role.as_str()));
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.about,
        "description": format!("Roles: {}.", roles.join(", ")),
        "x-destroys": route.kind == Kind::Destroy,
        "parameters": parameters.collect::<Vec<_>>(),
        "responses": responses(route.is_long),
    });
    if !is_get {
        operation["requestBody"] = body(route);
    }
    operation
}

fn body(route: &Route) -> Value {
    let fields = route.parameters.iter();
    let fields: Vec<&Parameter> = fields
        .filter(|p| !route.path.contains(&format!("{{{}}}", p.name)))
        .collect();
    let required: Vec<&str> = fields
        .iter()
        .filter(|p| p.required)
        .map(|p| p.name)
        .collect();
    let properties: Map<String, Value> = fields
        .iter()
        .map(|p| (p.name.to_owned(), schema(p)))
        .collect();
    json!({
        "required": !required.is_empty(),
        "content": { "application/json": { "schema": {
            "type": "object",
            "additionalProperties": false,
            "required": required,
            "properties": properties,
        } } },
    })
}

fn schema(parameter: &Parameter) -> Value {
    match parameter.kind {
        "array" => json!({ "type": "array", "items": { "type": "string" } }),
        kind => json!({ "type": kind }),
    }
}

fn responses(is_long: bool) -> Value {
    let failure = json!({ "content": { "application/json": {
        "schema": { "$ref": "#/components/schemas/Failure" },
    } } });
    let failed = |about: &str| {
        let mut failed = failure.clone();
        failed["description"] = json!(about);
        failed
    };
    let mut responses = json!({
        "200": {
            "description": "what the command prints with --json; header tenure-exit-code",
            "content": { "application/json": { "schema": {} } },
        },
        "400": failed("wrong usage or configuration"),
        "403": failed("refused: role, hold, fuse"),
        "404": failed("no such thing"),
        "500": failed("it was tried and did not work"),
    });
    if is_long {
        responses["202"] = json!({ "description": "a job, at the address in `location`" });
    }
    responses
}

fn job(path: &str, about: &str) -> Value {
    let parameters = match path.contains("{job}") {
        true => json!([{
            "name": "job", "in": "path", "required": true, "schema": { "type": "integer" },
        }]),
        false => json!([]),
    };
    json!({ "summary": about, "parameters": parameters, "responses": responses(false) })
}
