//! A struct of the stored forms of some fields: what a struct, or a variant of an enum, is in the segment.

use crate::input::Field;
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Fields, Generics, Ident, Visibility};

/// The mirror of a struct or variant: `repr(C)`, with the same members, so that what names them serves for
/// plain types, which are their own stored form, and for mirrors.
pub(crate) struct Mirror<'a> {
    pub name: Ident,
    pub shape: &'a Fields,
    pub fields: &'a [Field<'a>],
    pub generics: &'a Generics,
}

impl Mirror<'_> {
    pub(crate) fn declaration(&self, visibility: &Visibility) -> TokenStream {
        let Mirror { name, shape, generics, .. } = self;
        let (_, _, where_clause) = generics.split_for_impl();
        let parameters = &generics.params;
        let types = self.fields.iter().map(|field| {
            let ty = field.ty;
            quote_spanned!(field.span=> <#ty as ::commy::Share>::Stored)
        });
        // A variant needs not use all type parameters of its enum, but a struct has to.
        let used = generics.type_params().map(|parameter| &parameter.ident);
        let marker = quote!(::core::marker::PhantomData<fn() -> (#(#used,)*)>);
        match shape {
            Fields::Named(named) => {
                let names = named.named.iter().map(|field| &field.ident);
                quote! {
                    #[doc(hidden)]
                    #[repr(C)]
                    #visibility struct #name <#parameters> #where_clause {
                        #(#names: #types,)*
                        commy_parameters: #marker,
                    }
                }
            }
            Fields::Unnamed(_) | Fields::Unit => quote! {
                #[doc(hidden)]
                #[repr(C)]
                #visibility struct #name <#parameters> (#(#types,)* #marker) #where_clause;
            },
        }
    }

    /// The stored form of the values that are bound to the fields' variables; leaves the function on an error.
    pub(crate) fn store(&self) -> TokenStream {
        let name = &self.name;
        let stores = self.fields.iter().map(|field| {
            let Field { member, bind, ty, .. } = field;
            quote_spanned!(field.span=> #member: <#ty as ::commy::Share>::into_stored(#bind, cx)?)
        });
        let marker = match self.shape {
            Fields::Named(_) => quote!(commy_parameters),
            Fields::Unnamed(_) | Fields::Unit => {
                let index = syn::Index::from(self.fields.len());
                quote!(#index)
            }
        };
        quote!(#name { #(#stores,)* #marker: ::core::marker::PhantomData })
    }
}
