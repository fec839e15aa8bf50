//! Schemas that cannot be derived.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Object, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema,
        schema::{AdditionalProperties, SchemaType},
    },
};

use crate::{Rejection, Settlement};

/// Exactly one member; the value is any JSON.
impl PartialSchema for Settlement {
    fn schema() -> RefOr<Schema> {
        let any = RefOr::T(Schema::Object(ObjectBuilder::new().schema_type(SchemaType::AnyValue).build()));
        let rejection = RefOr::Ref(Ref::from_schema_name(Rejection::name()));
        let one_of = OneOfBuilder::new()
            .description(Some("How a promise is settled: exactly one member."))
            .item(member("ok", any))
            .item(member("err", rejection))
            .build();
        RefOr::T(Schema::OneOf(one_of))
    }
}

fn member(name: &str, value: RefOr<Schema>) -> Object {
    ObjectBuilder::new()
        .property(name, value)
        .required(name)
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
        .build()
}

impl ToSchema for Settlement {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Rejection::name().into_owned(), Rejection::schema()));
    }
}
