//! `#[derive(Atomics)]`.

use crate::input::{self, Repr, bounded, part, refuse};
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, GenericParam, Result};

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(refuse(
            input,
            "only a struct can consist of atomics: nothing says which variant an enum or union is",
        ));
    };
    let repr = Repr::of(&input.attrs)?;
    if repr.packed {
        return Err(refuse(input, "a packed struct cannot have atomics: they would not be aligned"));
    }
    if !repr.fixes_struct() {
        return Err(refuse(
            input,
            "a struct of atomics needs `#[repr(C)]`, so that its fields lie at the same places in every program",
        ));
    }
    let generics = bounded(input, |_| quote!(::commy::Atomics))?;
    if let Some(GenericParam::Type(parameter)) = generics.params.iter().find(|p| matches!(p, GenericParam::Type(_))) {
        let message = "a struct of atomics has no type parameters: name the atomic";
        return Err(syn::Error::new(parameter.ident.span(), message));
    }
    let (_, type_generics, where_clause) = generics.split_for_impl();
    let (name, generic_parameters) = (&input.ident, &generics.params);
    let predicates = where_clause.map(|clause| &clause.predicates);
    let (text, parameters) = (name.unraw().to_string(), input::parameters(&generics));
    let fields = input::fields(&data.fields);
    let parts = fields.iter().map(|field| {
        let ty = field.ty;
        part(field, quote_spanned!(field.span=> ::commy::support::atomics::<#ty>), &quote!(Self), &quote!(0))
    });
    Ok(quote! {
        // SAFETY: all fields are `Atomics`, as `describe_atomics` checks, and `repr` says where they lie.
        #[automatically_derived]
        unsafe impl<#generic_parameters> ::commy::Atomics for #name #type_generics #where_clause {
            fn describe_atomics(registry: &mut ::commy::support::Registry) -> usize {
                let variants: &[::commy::support::DescribedVariant<'_>] = &[("", 0, &[#(#parts),*])];
                let kind = ::commy::support::Kind::Struct;
                ::commy::support::describe::<Self>(registry, kind, #text, #parameters, variants)
            }
        }

        ::commy::object_of_atomics!([#generic_parameters] #name #type_generics where [#predicates]);
    })
}
