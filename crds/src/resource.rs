//! What makes a type one of Dapr's kinds, and the definition that the API server is given for it.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionNames, CustomResourceDefinitionSpec,
    CustomResourceDefinitionVersion, CustomResourceValidation,
};
use kube_core::{ObjectMeta, Resource};
use schemars::JsonSchema;

use crate::schema::{self, SchemaError};

/// API group of every kind.
pub const GROUP: &str = "dapr.io";

/// Makes a type a namespaced resource of Dapr's group.
macro_rules! resource {
    ($type:ident, $kind:literal, $plural:literal, $version:literal) => {
        impl ::kube_core::Resource for $type {
            type DynamicType = ();
            type Scope = ::kube_core::NamespaceResourceScope;

            fn kind(_: &()) -> ::std::borrow::Cow<'_, str> {
                $kind.into()
            }

            fn group(_: &()) -> ::std::borrow::Cow<'_, str> {
                $crate::resource::GROUP.into()
            }

            fn version(_: &()) -> ::std::borrow::Cow<'_, str> {
                $version.into()
            }

            fn plural(_: &()) -> ::std::borrow::Cow<'_, str> {
                $plural.into()
            }

            fn meta(&self) -> &::kube_core::ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ::kube_core::ObjectMeta {
                &mut self.metadata
            }
        }
    };
}
pub(crate) use resource;

/// The definition of a kind with one version, which is served and stored.
pub(crate) fn definition<K>() -> Result<CustomResourceDefinition, SchemaError>
where
    K: Resource<DynamicType = ()> + JsonSchema,
{
    Ok(CustomResourceDefinition {
        metadata: ObjectMeta {
            name: Some(format!("{}.{GROUP}", K::plural(&()))),
            labels: Some([("app.kubernetes.io/part-of".to_owned(), "dapr".to_owned())].into()),
            ..ObjectMeta::default()
        },
        spec: CustomResourceDefinitionSpec {
            group: GROUP.to_owned(),
            names: names::<K>(),
            scope: "Namespaced".to_owned(),
            versions: vec![version::<K>()?],
            ..CustomResourceDefinitionSpec::default()
        },
        ..CustomResourceDefinition::default()
    })
}

/// One served and stored version of a kind.
pub(crate) fn version<K>() -> Result<CustomResourceDefinitionVersion, SchemaError>
where
    K: Resource<DynamicType = ()> + JsonSchema,
{
    Ok(CustomResourceDefinitionVersion {
        name: K::version(&()).into_owned(),
        served: true,
        storage: true,
        schema: Some(CustomResourceValidation {
            open_api_v3_schema: Some(schema::structural::<K>(&K::kind(&()))?),
        }),
        ..CustomResourceDefinitionVersion::default()
    })
}

fn names<K: Resource<DynamicType = ()>>() -> CustomResourceDefinitionNames {
    let kind = K::kind(&());
    CustomResourceDefinitionNames {
        list_kind: Some(format!("{kind}List")),
        plural: K::plural(&()).into_owned(),
        singular: Some(kind.to_lowercase()),
        kind: kind.into_owned(),
        ..CustomResourceDefinitionNames::default()
    }
}
