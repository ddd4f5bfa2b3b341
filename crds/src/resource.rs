//! What makes a type one of Dapr's kinds, and the definition that the API server is given for it.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec, CustomResourceDefinitionVersion, CustomResourceSubresourceStatus,
    CustomResourceSubresources, CustomResourceValidation,
};
use kube_core::{ObjectMeta, Resource};
use schemars::JsonSchema;
use serde_json::json;

use crate::schema::{self, SchemaError};

/// API group of every kind that Dapr has, too.
pub const GROUP: &str = "dapr.io";

/// Makes a type a namespaced resource, of Dapr's group unless it names another.
macro_rules! resource {
    ($type:ident, $kind:literal, $plural:literal, $version:literal) => {
        $crate::resource::resource!($type, $kind, $plural, $version, $crate::resource::GROUP);
    };
    ($type:ident, $kind:literal, $plural:literal, $version:literal, $group:expr) => {
        impl ::kube_core::Resource for $type {
            type DynamicType = ();
            type Scope = ::kube_core::NamespaceResourceScope;

            fn kind(_: &()) -> ::std::borrow::Cow<'_, str> {
                $kind.into()
            }

            fn group(_: &()) -> ::std::borrow::Cow<'_, str> {
                $group.into()
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

/// Annotation of a definition: the release it came with.
pub const VERSION_ANNOTATION: &str = "trilby.dev/version";
/// This release.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What lists of a kind show: a name, and the path of its value.
pub(crate) type Column = (&'static str, &'static str);

/// The definition of a kind with one version, which is served and stored.
pub(crate) fn definition<K>(columns: &[Column]) -> Result<CustomResourceDefinition, SchemaError>
where
    K: Resource<DynamicType = ()> + JsonSchema,
{
    Ok(CustomResourceDefinition {
        metadata: ObjectMeta {
            name: Some(name::<K>()),
            labels: Some([("app.kubernetes.io/part-of".to_owned(), "dapr".to_owned())].into()),
            annotations: Some([(VERSION_ANNOTATION.to_owned(), VERSION.to_owned())].into()),
            ..ObjectMeta::default()
        },
        spec: CustomResourceDefinitionSpec {
            group: K::group(&()).into_owned(),
            names: names::<K>(),
            scope: "Namespaced".to_owned(),
            versions: vec![version::<K>(columns)?],
            ..CustomResourceDefinitionSpec::default()
        },
        ..CustomResourceDefinition::default()
    })
}

/// Name of the definition of a kind.
pub(crate) fn name<K: Resource<DynamicType = ()>>() -> String {
    format!("{}.{}", K::plural(&()), K::group(&()))
}

/// One served and stored version of a kind. Its status is apart, so that who writes the object and
/// who writes the status never undo each other's work.
pub(crate) fn version<K>(columns: &[Column]) -> Result<CustomResourceDefinitionVersion, SchemaError>
where
    K: Resource<DynamicType = ()> + JsonSchema,
{
    Ok(CustomResourceDefinitionVersion {
        name: K::version(&()).into_owned(),
        served: true,
        storage: true,
        additional_printer_columns: Some(self::columns(columns)),
        subresources: Some(CustomResourceSubresources {
            status: Some(CustomResourceSubresourceStatus(json!({}))),
            ..CustomResourceSubresources::default()
        }),
        schema: Some(CustomResourceValidation {
            open_api_v3_schema: Some(schema::structural::<K>(&K::kind(&()))?),
        }),
        ..CustomResourceDefinitionVersion::default()
    })
}

/// The columns of a kind, then what is wrong if something is, and the age, which is no longer there by
/// itself where there are other columns.
fn columns(own: &[Column]) -> Vec<CustomResourceColumnDefinition> {
    let valid = ("Valid", ".status.conditions[?(@.type==\"Valid\")].status");
    let own = own.iter().copied().chain([valid]);
    let mut columns: Vec<_> = own
        .map(|(name, path)| column(name, "string", path))
        .collect();
    let failed = ".status.conditions[?(@.status==\"False\")]";
    columns.push(column("Problem", "string", &format!("{failed}.reason")));
    columns.push(column("Age", "date", ".metadata.creationTimestamp"));
    columns.push(CustomResourceColumnDefinition {
        priority: Some(1),
        ..column("Message", "string", &format!("{failed}.message"))
    });
    columns
}

fn column(name: &str, type_: &str, path: &str) -> CustomResourceColumnDefinition {
    CustomResourceColumnDefinition {
        name: name.to_owned(),
        type_: type_.to_owned(),
        json_path: path.to_owned(),
        ..CustomResourceColumnDefinition::default()
    }
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
