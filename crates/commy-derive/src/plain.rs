//! `#[derive(Plain)]`.

use crate::input::{self, Repr, bounded, parameters, part, refuse, unsigned};
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Data, DataEnum, DataStruct, DeriveInput, Fields, Result};

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let repr = Repr::of(&input.attrs)?;
    let description = match &input.data {
        Data::Struct(data) => of_struct(input, data, &repr)?,
        Data::Enum(data) => of_enum(input, data, &repr)?,
        Data::Union(_) => return Err(refuse(input, "a union is not plain: nothing says which of its fields it holds")),
    };
    let generics = bounded(input, |_| quote!(::commy::Plain))?;
    let (_, type_generics, where_clause) = generics.split_for_impl();
    let (name, generic_parameters) = (&input.ident, &generics.params);
    let predicates = where_clause.map(|clause| &clause.predicates);
    let text = name.unraw().to_string();
    let parameters = parameters(&generics);
    let Described { kind, variants, any, valid } = description;
    Ok(quote! {
        // SAFETY: `Copy` is a supertrait. The layout is fixed, as `repr` was seen to say so. All fields are
        // `Plain`, as `describe` checks: hence there are no pointers and no interior mutability. `Share` is
        // that of `share_plain!`.
        #[automatically_derived]
        unsafe impl<#generic_parameters> ::commy::Plain for #name #type_generics #where_clause {}

        ::commy::share_plain!([#generic_parameters] #name #type_generics where [#predicates], any: #any, valid: |stored| #valid, |registry| {
            let kind = ::commy::support::Kind::#kind;
            ::commy::support::describe::<Self>(registry, kind, #text, #parameters, &[#(#variants),*])
        });
    })
}

/// What a plain type consists of, whether any bytes are one, and whether those at `stored` are.
struct Described {
    kind: TokenStream,
    variants: Vec<TokenStream>,
    any: TokenStream,
    valid: TokenStream,
}

fn of_struct(input: &DeriveInput, data: &DataStruct, repr: &Repr) -> Result<Described> {
    if repr.packed {
        return Err(refuse(input, "a packed struct is not plain: references to its fields would not be aligned"));
    }
    if !repr.fixes_struct() {
        return Err(refuse(
            input,
            "a plain struct needs `#[repr(C)]`, so that its fields lie at the same places in every program; \
             or derive `Share`, which needs no repr",
        ));
    }
    let fields = input::fields(&data.fields);
    let parts = fields.iter().map(|field| {
        let ty = field.ty;
        part(field, quote_spanned!(field.span=> ::commy::support::plain::<#ty>), &quote!(Self), &quote!(0))
    });
    let any = fields.iter().map(|field| {
        let ty = field.ty;
        quote_spanned!(field.span=> ::commy::support::any_bytes::<#ty>())
    });
    let valid = fields.iter().map(|field| {
        let (ty, member) = (field.ty, &field.member);
        quote_spanned!(field.span=> ::commy::support::is_valid::<#ty>(&raw const (*stored).#member))
    });
    let (any, valid) = (quote!(true #(&& #any)*), quote!({ let _ = stored; true #(&& #valid)* }));
    Ok(Described { kind: quote!(Struct), variants: vec![quote!(("", 0, &[#(#parts),*]))], any, valid })
}

fn of_enum(input: &DeriveInput, data: &DataEnum, repr: &Repr) -> Result<Described> {
    if let Some(variant) = data.variants.iter().find(|variant| !matches!(variant.fields, Fields::Unit)) {
        return Err(syn::Error::new_spanned(variant, "an enum with fields is not plain: derive `Share` instead"));
    }
    if data.variants.is_empty() {
        return Err(refuse(input, "an enum without variants has no values to share"));
    }
    let Some((integer, unsigned)) = repr.integer.as_ref().and_then(|integer| Some((integer, unsigned(integer)?)))
    else {
        return Err(refuse(
            input,
            "a plain enum needs `#[repr(u8)]`, or another integer from u8 to i64, so that its variants have the same \
             values in every program; or derive `Share`, which needs no repr",
        ));
    };
    let variants = data.variants.iter().map(|variant| {
        let (name, text) = (&variant.ident, variant.ident.unraw().to_string());
        quote!((#text, Self::#name as #integer as #unsigned as u64, &[]))
    });
    let kind = if *integer == unsigned { quote!(Enum) } else { quote!(SignedEnum) };
    let names = data.variants.iter().map(|variant| &variant.ident);
    let valid = quote! {{
        let tag = *stored.cast::<#integer>();
        false #(|| tag == Self::#names as #integer)*
    }};
    Ok(Described { kind, variants: variants.collect(), any: quote!(false), valid })
}
