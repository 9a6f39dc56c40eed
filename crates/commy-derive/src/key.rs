//! `#[derive(Key)]`: hash and order of the stored form, field by field.

use crate::input::{self, Field, Repr, bounded, refuse, unsigned};
use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{Data, DataEnum, DataStruct, DeriveInput, Ident, Result};

/// The bodies of the four functions.
struct Bodies {
    hash: TokenStream,
    compare: TokenStream,
    hash_of: TokenStream,
    compare_with: TokenStream,
}

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let repr = Repr::of(&input.attrs)?;
    let Bodies { hash, compare, hash_of, compare_with } = match &input.data {
        Data::Struct(data) => of_struct(data),
        Data::Enum(data) => match &repr.integer {
            Some(integer) if data.variants.iter().all(|variant| variant.fields.is_empty()) => of_plain_enum(integer),
            _ => of_enum(data),
        },
        Data::Union(_) => {
            return Err(refuse(input, "a union cannot be a key: nothing says which of its fields it holds"));
        }
    };
    let generics = bounded(input, |name| {
        let plain = repr.fixes_struct().then(|| quote!(::commy::Plain+));
        quote!(#plain ::commy::Key + ::commy::Lookup<#name>)
    })?;
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let name = &input.ident;
    Ok(quote! {
        #[allow(unused_qualifications, unused_variables)]
        const _: () = {
            #[automatically_derived]
            impl #impl_generics ::commy::Key for #name #type_generics #where_clause {
                unsafe fn hash(
                    stored: *const Self::Stored,
                    cx: ::commy::support::Cx,
                    hasher: &mut ::commy::support::KeyHasher,
                ) {
                    // SAFETY: the caller's promise, for each field.
                    unsafe { #hash }
                }

                unsafe fn compare(
                    a: *const Self::Stored,
                    b: *const Self::Stored,
                    cx: ::commy::support::Cx,
                ) -> ::core::cmp::Ordering {
                    // SAFETY: the caller's promise, for each field.
                    unsafe { #compare }
                }
            }

            #[automatically_derived]
            impl #impl_generics ::commy::Lookup<Self> for #name #type_generics #where_clause {
                fn hash_of(query: &Self, hasher: &mut ::commy::support::KeyHasher) {
                    #hash_of
                }

                unsafe fn compare_with(
                    stored: *const Self::Stored,
                    cx: ::commy::support::Cx,
                    query: &Self,
                ) -> ::core::cmp::Ordering {
                    // SAFETY: the caller's promise, for each field.
                    unsafe { #compare_with }
                }
            }
        };
    })
}

/// The first of these orders that is not "equal".
fn first_difference(orders: impl Iterator<Item = TokenStream>) -> TokenStream {
    quote! {
        #(match #orders {
            ::core::cmp::Ordering::Equal => {}
            order => return order,
        })*
        ::core::cmp::Ordering::Equal
    }
}

fn of_struct(data: &DataStruct) -> Bodies {
    let fields = input::fields(&data.fields);
    let each = |write: fn(&Field<'_>) -> TokenStream| fields.iter().map(write);
    let hash = each(|Field { member, ty, span, .. }| {
        quote_spanned! {*span=>
            <#ty as ::commy::Key>::hash(&raw const (*stored).#member, cx, hasher);
        }
    });
    let hash_of = each(|Field { member, ty, span, .. }| {
        quote_spanned! {*span=>
            <#ty as ::commy::Lookup<#ty>>::hash_of(&query.#member, hasher);
        }
    });
    let orders = each(|Field { member, ty, span, .. }| {
        quote_spanned! {*span=>
            <#ty as ::commy::Key>::compare(&raw const (*a).#member, &raw const (*b).#member, cx)
        }
    });
    let orders_with = each(|Field { member, ty, span, .. }| {
        quote_spanned! {*span=>
            <#ty as ::commy::Lookup<#ty>>::compare_with(&raw const (*stored).#member, cx, &query.#member)
        }
    });
    Bodies {
        hash: quote!(#(#hash)*),
        compare: first_difference(orders),
        hash_of: quote!(#(#hash_of)*),
        compare_with: first_difference(orders_with),
    }
}

/// A plain enum is its tag.
fn of_plain_enum(integer: &Ident) -> Bodies {
    let wide = unsigned(integer).unwrap_or_else(|| integer.clone());
    Bodies {
        hash: quote!(hasher.word(*stored as #integer as #wide as u64)),
        compare: quote!(::core::cmp::Ord::cmp(&(*a as #integer), &(*b as #integer))),
        hash_of: quote!(hasher.word(*query as #integer as #wide as u64)),
        compare_with: quote!(::core::cmp::Ord::cmp(&(*stored as #integer), &(*query as #integer))),
    }
}

/// The tag, then the fields of the variant that it names; for a tag of no variant there are none.
fn of_enum(data: &DataEnum) -> Bodies {
    let variants: Vec<_> = data.variants.iter().map(|variant| (variant, input::fields(&variant.fields))).collect();
    let pointers = |tag: usize| format_ident!("commy_fields_{tag}");
    let carrying = || variants.iter().enumerate().filter(|(_, (_, fields))| !fields.is_empty());
    let hashes = carrying().map(|(tag, (_, fields))| {
        let (number, pointers) = (tag as u64, pointers(tag));
        let binds = fields.iter().map(|field| &field.bind);
        let hash = fields.iter().map(
            |Field { bind, ty, span, .. }| quote_spanned!(*span=> <#ty as ::commy::Key>::hash(#bind, cx, hasher);),
        );
        quote! {
            #number => {
                let (#(#binds,)*) = <Self::Stored>::#pointers(stored);
                #(#hash)*
            }
        }
    });
    let compares = carrying().map(|(tag, (_, fields))| {
        let (number, pointers) = (tag as u64, pointers(tag));
        let index = (0..fields.len()).map(syn::Index::from);
        let orders = fields.iter().zip(index).map(|(Field { ty, span, .. }, index)| {
            quote_spanned!(*span=> <#ty as ::commy::Key>::compare(a.#index, b.#index, cx))
        });
        let order = first_difference(orders);
        quote! {
            #number => {
                let (a, b) = (<Self::Stored>::#pointers(a), <Self::Stored>::#pointers(b));
                #order
            }
        }
    });
    let queries = variants.iter().enumerate().map(|(tag, (variant, fields))| {
        let (number, name) = (tag as u64, &variant.ident);
        let members = fields.iter().map(|field| &field.member);
        let binds = fields.iter().map(|field| &field.bind);
        let hash = fields.iter().map(|Field { bind, ty, span, .. }| {
            quote_spanned!(*span=> <#ty as ::commy::Lookup<#ty>>::hash_of(#bind, hasher);)
        });
        quote! {
            Self::#name { #(#members: #binds),* } => {
                hasher.word(#number);
                #(#hash)*
            }
        }
    });
    let compares_with = variants.iter().enumerate().map(|(tag, (variant, fields))| {
        let (number, name, pointers) = (tag as u64, &variant.ident, pointers(tag));
        let members = fields.iter().map(|field| &field.member);
        let binds = fields.iter().map(|field| &field.bind);
        let index = (0..fields.len()).map(syn::Index::from);
        let orders = fields.iter().zip(index).map(|(Field { bind, ty, span, .. }, index)| {
            quote_spanned!(*span=> <#ty as ::commy::Lookup<#ty>>::compare_with(fields.#index, cx, #bind))
        });
        let order = first_difference(orders);
        let pointers = (!fields.is_empty()).then(|| quote!(let fields = <Self::Stored>::#pointers(stored);));
        quote! {
            Self::#name { #(#members: #binds),* } => {
                match ::core::cmp::Ord::cmp(&tag, &#number) {
                    ::core::cmp::Ordering::Equal => {}
                    order => return order,
                }
                #pointers
                #order
            }
        }
    });
    Bodies {
        hash: quote! {
            let tag = <Self::Stored>::commy_tag(stored);
            hasher.word(tag);
            match tag {
                #(#hashes)*
                _ => {}
            }
        },
        compare: quote! {
            let tag = <Self::Stored>::commy_tag(a);
            match ::core::cmp::Ord::cmp(&tag, &<Self::Stored>::commy_tag(b)) {
                ::core::cmp::Ordering::Equal => {}
                order => return order,
            }
            match tag {
                #(#compares)*
                _ => ::core::cmp::Ordering::Equal,
            }
        },
        hash_of: quote!(match query { #(#queries)* }),
        compare_with: quote! {
            let tag = <Self::Stored>::commy_tag(stored);
            match query { #(#compares_with)* }
        },
    }
}
