//! `/openapi.json`: the table of operations as `OpenAPI` 3.1 says it. Schemas come from the types that are sent.

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    operations::{Operation, Parameter},
    problem::Problem,
};

/// Describes them.
pub fn describe(operations: &[Operation]) -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let problem = generator.subschema_for::<Problem>().to_value();
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations {
        let described = one(operation, &problem, &mut generator);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = described;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "firedrill serve",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the daemon shows and does. Every error is an `application/problem+json`.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": generator.take_definitions(true),
        },
    })
}

fn one(operation: &Operation, problem: &Value, generator: &mut SchemaGenerator) -> Value {
    let (status, media, makes) = operation.answer;
    let content = match makes {
        Some(makes) => {
            let schema = makes(generator).to_value();
            // Of a stream, each event is one of these.
            if media == "text/event-stream" {
                json!({ media: { "schema": { "type": "string" }, "x-event": schema } })
            } else {
                json!({ media: { "schema": schema } })
            }
        }
        None => json!({ media: { "schema": { "type": "string" } } }),
    };
    let mut responses = Map::new();
    responses.insert(status.to_string(), json!({ "description": "Done.", "content": content }));
    let failed = json!({ "application/problem+json": { "schema": problem } });
    let always: &[u16] = &[400, 401, 403, 408, 413, 421, 500];
    for status in always.iter().chain(operation.fails).filter(|status| operation.token || **status != 401) {
        let says = axum::http::StatusCode::from_u16(*status).ok().and_then(|status| status.canonical_reason()).unwrap_or("A problem");
        responses.insert(status.to_string(), json!({ "description": says, "content": failed }));
    }
    let mut out = json!({
        "operationId": operation.id,
        "summary": operation.says,
        "parameters": operation.parameters.iter().map(parameter).collect::<Vec<_>>(),
        "responses": responses,
    });
    if let Some(makes) = operation.body {
        out["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": makes(generator).to_value() } } });
    }
    if !operation.token {
        out["security"] = json!([]);
    }
    out
}

fn parameter(parameter: &Parameter) -> Value {
    let schema = match (parameter.bounds, &parameter.words) {
        (Some((low, high)), _) => json!({ "type": "integer", "minimum": low, "maximum": high }),
        (None, Some(words)) => json!({ "type": "string", "enum": words }),
        // What need not be there may be empty, as forms send it.
        (None, None) => json!({ "type": "string", "minLength": u8::from(parameter.required) }),
    };
    json!({ "name": parameter.name, "in": parameter.place, "required": parameter.required, "description": parameter.says, "schema": schema })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::daemon::api::operations;

    #[test]
    fn every_part_of_a_path_is_a_parameter_and_every_schema_is_there() {
        let all = operations::all();
        let ids: BTreeSet<&str> = all.iter().map(|operation| operation.id).collect();
        assert_eq!(ids.len(), all.len());
        for operation in &all {
            let parts: BTreeSet<&str> = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
            let named: BTreeSet<&str> = operation.parameters.iter().filter(|it| it.place == "path").map(|it| it.name).collect();
            assert_eq!(parts, named, "{}", operation.path);
        }
        let described = describe(&all);
        let text = described.to_string();
        let wanted = text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next());
        let missing: Vec<&str> = wanted.filter(|name| described["components"]["schemas"].get(name).is_none()).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
