//! What the derives ask of the type that they are given.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Attribute, DeriveInput, Error, Fields, GenericParam, Generics, Ident, Index, Member, Result, Token, Type,
    TypeParamBound, Visibility,
};

/// An error that points at the type's name.
pub(crate) fn refuse(input: &DeriveInput, message: impl std::fmt::Display) -> Error {
    Error::new(input.ident.span(), message)
}

/// A field of a struct or variant.
pub(crate) struct Field<'a> {
    /// How it is named in `value.member` and in `Type { member: .. }`, which serves tuples too.
    pub member: Member,
    /// Its name in descriptions: `work`, or `0`.
    pub name: String,
    /// What its methods are named after: `work`, or `field_0`.
    pub method: Ident,
    /// A variable that stands for it in patterns.
    pub bind: Ident,
    pub visibility: &'a Visibility,
    pub ty: &'a Type,
    /// Where errors about the field's type are shown; names and lints are those of generated code.
    pub span: Span,
}

/// The fields in the order of declaration.
pub(crate) fn fields(fields: &Fields) -> Vec<Field<'_>> {
    let describe = |(index, field): (usize, &'_ syn::Field)| -> (Member, String, Ident) {
        match &field.ident {
            Some(name) => (Member::Named(name.clone()), name.unraw().to_string(), name.clone()),
            None => {
                let span = field.ty.span();
                (
                    Member::Unnamed(Index { index: index as u32, span }),
                    index.to_string(),
                    format_ident!("field_{index}"),
                )
            }
        }
    };
    let all = fields.iter().enumerate();
    all.map(|(index, field)| {
        let (member, name, method) = describe((index, field));
        let bind = format_ident!("field_{index}", span = Span::mixed_site());
        let span = field.ty.span().resolved_at(Span::call_site());
        Field { member, name, method, bind, visibility: &field.vis, ty: &field.ty, span }
    })
    .collect()
}

/// The type's generics without defaults, each type parameter with a further bound. A lifetime is refused.
pub(crate) fn bounded(input: &DeriveInput, bound: impl Fn(&Ident) -> TokenStream) -> Result<Generics> {
    let mut generics = input.generics.clone();
    for parameter in &mut generics.params {
        match parameter {
            GenericParam::Lifetime(lifetime) => {
                return Err(Error::new(
                    lifetime.span(),
                    "a type that borrows cannot be shared: the reference would mean nothing to another process; \
                     own the data instead, for example as `String` or `Vec`",
                ));
            }
            GenericParam::Type(parameter) => {
                parameter.default = None;
                parameter.eq_token = None;
                let bounds = Punctuated::<TypeParamBound, Token![+]>::parse_separated_nonempty;
                parameter.bounds.extend(bounds.parse2(bound(&parameter.ident))?);
            }
            GenericParam::Const(parameter) => {
                parameter.default = None;
                parameter.eq_token = None;
            }
        }
    }
    Ok(generics)
}

/// The `#[repr(..)]` of a type.
#[derive(Default)]
pub(crate) struct Repr {
    pub c: bool,
    pub transparent: bool,
    pub packed: bool,
    /// An integer type.
    pub integer: Option<Ident>,
}

impl Repr {
    pub(crate) fn of(attributes: &[Attribute]) -> Result<Repr> {
        let mut repr = Repr::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("repr")) {
            attribute.parse_nested_meta(|meta| {
                let name = meta.path.require_ident()?;
                match name.to_string().as_str() {
                    "C" => repr.c = true,
                    "transparent" => repr.transparent = true,
                    "packed" => repr.packed = true,
                    "align" => {}
                    _ => repr.integer = Some(name.clone()),
                }
                if meta.input.peek(syn::token::Paren) {
                    let content;
                    syn::parenthesized!(content in meta.input);
                    content.parse::<syn::LitInt>()?;
                }
                Ok(())
            })?;
        }
        Ok(repr)
    }

    /// Whether it says where the fields of a struct lie.
    pub(crate) fn fixes_struct(&self) -> bool {
        self.c || self.transparent
    }
}

/// The unsigned integer as wide as a tag of this type, if it can be one.
pub(crate) fn unsigned(integer: &Ident) -> Option<Ident> {
    let unsigned = match integer.to_string().as_str() {
        "u8" | "i8" => "u8",
        "u16" | "i16" => "u16",
        "u32" | "i32" => "u32",
        "u64" | "i64" => "u64",
        _ => return None,
    };
    Some(Ident::new(unsigned, integer.span()))
}

/// The type parameters as `support::describe` wants them, to be part of the type's name.
pub(crate) fn parameters(generics: &Generics) -> TokenStream {
    let parameters = generics.params.iter().filter_map(|parameter| match parameter {
        GenericParam::Type(parameter) => {
            let name = &parameter.ident;
            Some(quote!(::commy::support::Parameter::Type(<#name as ::commy::Share>::describe)))
        }
        GenericParam::Const(parameter) => {
            let name = &parameter.ident;
            Some(quote!(::commy::support::Parameter::Const(&#name)))
        }
        GenericParam::Lifetime(_) => None,
    });
    quote!(&[#(#parameters),*])
}

/// A field as `support::describe` wants it; `within` is the struct that `offset_of!` is asked of.
pub(crate) fn part(field: &Field<'_>, describe: TokenStream, within: &TokenStream, base: &TokenStream) -> TokenStream {
    let (name, member) = (&field.name, &field.member);
    quote_spanned!(field.span=> ::commy::support::Part {
        name: #name,
        describe: #describe,
        offset: #base + ::core::mem::offset_of!(#within, #member),
    })
}
