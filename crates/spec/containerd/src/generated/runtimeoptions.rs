//! Package `runtimeoptions.v1`, made by `cargo xtask codegen` from the files in ../../proto: change those.

#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Options {
    #[prost(string, tag = "1")]
    pub type_url: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub config_path: ::prost::alloc::string::String,
    #[prost(bytes = "vec", tag = "3")]
    pub config_body: ::prost::alloc::vec::Vec<u8>,
}
impl ::prost::Name for Options {
    const NAME: &'static str = "Options";
    const PACKAGE: &'static str = "runtimeoptions.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "runtimeoptions.v1.Options".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/runtimeoptions.v1.Options".into()
    }
}
