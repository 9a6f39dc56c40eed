//! `#[derive(Share)]` of an enum: a tag, and room for the fields of any variant; seen as enums of references.

use crate::input::{self, Field, Repr, bounded, parameters, part, refuse};
use crate::mirror::Mirror;
use crate::share_struct::showable;
use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{DataEnum, DeriveInput, Fields, Generics, Ident, Result, Variant};

struct Shape<'a> {
    input: &'a DeriveInput,
    generics: &'a Generics,
    variants: &'a [(&'a Variant, Vec<Field<'a>>)],
    /// The stored form, and the union of the variants' fields in it.
    stored: Ident,
    payload: Ident,
    /// Whether any variant has a field.
    carries: bool,
}

pub(crate) fn derive(input: &DeriveInput, data: &DataEnum) -> Result<TokenStream> {
    if data.variants.is_empty() {
        return Err(refuse(input, "an enum without variants has no values to share"));
    }
    let carries = data.variants.iter().any(|variant| !variant.fields.is_empty());
    if !carries && Repr::of(&input.attrs)?.integer.is_some() {
        return Err(refuse(
            input,
            "an enum without fields that has an integer repr is plain: derive `Plain` instead, which includes `Share`",
        ));
    }
    let generics = bounded(input, |_| quote!(::commy::Share))?;
    let variants: Vec<_> = data.variants.iter().map(|variant| (variant, input::fields(&variant.fields))).collect();
    let name = input.ident.unraw();
    let shape = Shape {
        input,
        generics: &generics,
        variants: &variants,
        stored: format_ident!("__{name}Stored"),
        payload: format_ident!("__{name}Payload"),
        carries,
    };
    let (seen, changed) = (shape.seen(), shape.changed());
    let (seen_debug, changed_debug) = (shape.debug(&shape.name("Ref")), shape.debug(&shape.name("Mut")));
    let (stored, copies, share) = (shape.stored(), shape.copies(), shape.share());
    Ok(quote! {
        #seen
        #changed

        #[allow(dead_code, unused_qualifications)]
        const _: () = {
            #stored
            #copies
            #seen_debug
            #changed_debug
            #share
        };
    })
}

impl Shape<'_> {
    fn name(&self, suffix: &str) -> Ident {
        format_ident!("{}{suffix}", self.input.ident.unraw())
    }

    fn mirrors(&self) -> impl Iterator<Item = Mirror<'_>> {
        self.variants.iter().enumerate().map(|(tag, (variant, fields))| Mirror {
            name: format_ident!("__{}{tag}Stored", self.input.ident.unraw()),
            shape: &variant.fields,
            fields,
            generics: self.generics,
        })
    }

    /// The generics of the enums of references, which have a lifetime if there is anything to refer to.
    fn seen_generics(&self) -> Generics {
        let mut generics = self.generics.clone();
        if self.carries {
            generics.params.insert(0, syn::parse_quote!('commy));
        }
        generics
    }

    fn seen(&self) -> TokenStream {
        let text = format!("A [`{}`] in a segment, seen in place.", self.input.ident.unraw());
        self.references(&self.name("Ref"), &text, &quote!(Ref))
    }

    fn changed(&self) -> TokenStream {
        let text = format!("A [`{}`] in a segment, to be changed in place.", self.input.ident.unraw());
        self.references(&self.name("Mut"), &text, &quote!(Mut))
    }

    /// An enum with the same variants, whose fields are the original's as they are seen.
    fn references(&self, name: &Ident, text: &str, form: &TokenStream) -> TokenStream {
        let visibility = &self.input.vis;
        let generics = self.seen_generics();
        let (parameters, where_clause) = (&generics.params, &generics.where_clause);
        let variants = self.variants.iter().map(|(variant, fields)| {
            let (name, text) = (&variant.ident, format!("See [`{}::{}`].", self.input.ident.unraw(), variant.ident));
            let types = fields
                .iter()
                .map(|Field { ty, span, .. }| quote_spanned!(*span=> <#ty as ::commy::Share>::#form<'commy>));
            let body = match &variant.fields {
                Fields::Named(named) => {
                    let names = named.named.iter().map(|field| &field.ident);
                    let texts = fields.iter().map(|field| format!("The field `{}`.", field.name));
                    quote!({ #(#[doc = #texts] #names: #types),* })
                }
                Fields::Unnamed(_) => quote!((#(#types),*)),
                Fields::Unit => quote!(),
            };
            quote!(#[doc = #text] #name #body)
        });
        quote! {
            #[doc = #text]
            #[allow(dead_code)]
            #visibility enum #name <#parameters> #where_clause { #(#variants),* }
        }
    }

    /// The stored form: the tag, then the fields of the variant it names.
    fn stored(&self) -> TokenStream {
        let Shape { stored, payload, generics, .. } = self;
        let visibility = &self.input.vis;
        let parameters = &generics.params;
        let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
        let mirrors: Vec<_> = self.mirrors().map(|mirror| mirror.declaration(visibility)).collect();
        let names: Vec<_> = self.mirrors().map(|mirror| mirror.name).collect();
        let members: Vec<_> = (0..self.variants.len()).map(|tag| format_ident!("variant_{tag}")).collect();
        let pointers =
            self.mirrors().enumerate().filter(|(_, mirror)| !mirror.fields.is_empty()).map(|(tag, mirror)| {
                let (method, name) = (format_ident!("commy_fields_{tag}"), &mirror.name);
                let types = mirror.fields.iter().map(|field| field.ty);
                let members = mirror.fields.iter().map(|field| &field.member);
                quote! {
                    /// Where the fields of that variant are.
                    #[inline(always)]
                    unsafe fn #method(stored: *const Self) -> (#(*const <#types as ::commy::Share>::Stored,)*) {
                        // SAFETY: the caller hands in a stored value, in which there is room for this variant.
                        unsafe {
                            let fields = (&raw const (*stored).payload).cast::<#name #type_generics>();
                            (#(&raw const (*fields).#members,)*)
                        }
                    }
                }
            });
        quote! {
            #(#mirrors)*

            #[doc(hidden)]
            #[repr(C)]
            #visibility union #payload <#parameters> #where_clause {
                #(#members: ::core::mem::ManuallyDrop<#names #type_generics>),*
            }

            #[doc(hidden)]
            #[repr(C)]
            #visibility struct #stored <#parameters> #where_clause {
                tag: ::commy::support::Word,
                payload: ::core::mem::MaybeUninit<#payload #type_generics>,
            }

            impl #impl_generics #stored #type_generics #where_clause {
                #[inline(always)]
                unsafe fn commy_tag(stored: *const Self) -> u64 {
                    // SAFETY: the caller hands in a stored value; its tag is a word.
                    unsafe { (*stored).tag.get() }
                }
                #(#pointers)*
            }
        }
    }

    /// `Clone` and `Copy` of the enum of shared references.
    fn copies(&self) -> TokenStream {
        let name = self.name("Ref");
        let mut generics = self.seen_generics();
        let parameters: Vec<_> = generics.type_params().map(|parameter| parameter.ident.clone()).collect();
        let clause = generics.make_where_clause();
        for parameter in parameters.iter().filter(|_| self.carries) {
            clause
                .predicates
                .push(syn::parse_quote!(<#parameter as ::commy::Share>::Ref<'commy>: ::core::marker::Copy));
        }
        let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
        quote! {
            #[automatically_derived]
            impl #impl_generics ::core::clone::Clone for #name #type_generics #where_clause {
                fn clone(&self) -> Self {
                    *self
                }
            }
            #[automatically_derived]
            impl #impl_generics ::core::marker::Copy for #name #type_generics #where_clause {}
        }
    }

    /// `Debug` of an enum of references, like that of the original: fields that have none are shown as `..`.
    fn debug(&self, name: &Ident) -> TokenStream {
        let own = self.seen_generics();
        let generics = showable(&own);
        let (impl_generics, _, where_clause) = generics.split_for_impl();
        let (_, type_generics, _) = own.split_for_impl();
        let arms = self.variants.iter().map(|(variant, fields)| {
            let (variant_name, text) = (&variant.ident, variant.ident.unraw().to_string());
            let members: Vec<_> = fields.iter().map(|field| &field.member).collect();
            let binds: Vec<_> = fields.iter().map(|field| &field.bind).collect();
            let names = fields.iter().map(|field| &field.name);
            let start = match &variant.fields {
                Fields::Unnamed(_) => quote!(::commy::support::ShowFields::tuple(f, #text)),
                _ => quote!(::commy::support::ShowFields::named(f, #text)),
            };
            quote! {
                Self::#variant_name { #(#members: #binds),* } => {
                    #[allow(unused_mut)]
                    let mut shown = #start;
                    #(shown.field(#names, (&::commy::support::Show(#binds)).show());)*
                    shown.finish()
                }
            }
        });
        quote! {
            #[automatically_derived]
            impl #impl_generics ::core::fmt::Debug for #name #type_generics #where_clause {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    #[allow(unused_imports)]
                    use ::commy::support::{ShowAnything, ShowDebug};
                    match self { #(#arms)* }
                }
            }
        }
    }

    /// One arm of a match of the tag for each variant: the variables are bound to pointers to its fields.
    fn arms(&self, write: impl Fn(&Ident, &[Field<'_>]) -> TokenStream) -> Vec<TokenStream> {
        let each = self.variants.iter().enumerate();
        each.map(|(tag, (variant, fields))| {
            let (tag, method) = (tag as u64, format_ident!("commy_fields_{tag}"));
            let binds = fields.iter().map(|field| &field.bind);
            let body = write(&variant.ident, fields);
            let pointers = (!fields.is_empty()).then(|| quote!(let (#(#binds,)*) = <Self::Stored>::#method(stored);));
            quote! {
                #tag => {
                    #pointers
                    #body
                }
            }
        })
        .collect()
    }

    fn share(&self) -> TokenStream {
        let Shape { input, generics, stored, payload, .. } = self;
        let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
        let seen_generics = self.seen_generics();
        let (_, seen_type_generics, _) = seen_generics.split_for_impl();
        let (seen, changed, name) = (self.name("Ref"), self.name("Mut"), &input.ident);
        let text = name.unraw().to_string();
        let all_fields = || self.variants.iter().flat_map(|(_, fields)| fields);
        let owns = all_fields().map(|Field { ty, span, .. }| quote_spanned!(*span=> <#ty as ::commy::Share>::OWNS));
        let stores = self.mirrors().zip(self.variants).enumerate().map(|(tag, (mirror, (variant, fields)))| {
            let (tag, variant, value, room) = (tag as u64, &variant.ident, mirror.store(), &mirror.name);
            let members = fields.iter().map(|field| &field.member);
            let binds = fields.iter().map(|field| &field.bind);
            quote! {
                Self::#variant { #(#members: #binds),* } => {
                    let value = #value;
                    // SAFETY: the union has room for each variant.
                    unsafe { payload.as_mut_ptr().cast::<#room #type_generics>().write(value) };
                    #tag
                }
            }
        });
        let views = self.arms(|variant, fields| {
            let fields = fields.iter().map(|Field { member, bind, ty, span, .. }| {
                quote_spanned!(*span=> #member: <#ty as ::commy::Share>::view(#bind, cx))
            });
            quote!(#seen::#variant { #(#fields),* })
        });
        let changes = self.arms(|variant, fields| {
            let fields = fields.iter().map(|Field { member, bind, ty, span, .. }| {
                quote_spanned!(*span=> #member: <#ty as ::commy::Share>::view_mut(#bind.cast_mut(), cx)?)
            });
            quote!(#changed::#variant { #(#fields),* })
        });
        let valid = self.arms(|_, fields| {
            let fields = fields
                .iter()
                .map(|Field { bind, ty, span, .. }| quote_spanned!(*span=> <#ty as ::commy::Share>::is_valid(#bind)));
            quote!(true #(&& #fields)*)
        });
        let loads = self.arms(|variant, fields| {
            let fields = fields.iter().map(|Field { member, bind, ty, span, .. }| {
                quote_spanned!(*span=> #member: <#ty as ::commy::Share>::load(#bind, cx)?)
            });
            quote!(Self::#variant { #(#fields),* })
        });
        let drops = self.arms(|_, fields| {
            let fields = fields.iter().map(|Field { bind, ty, span, .. }| {
                quote_spanned!(*span=> <#ty as ::commy::Share>::drop_stored(#bind.cast_mut(), cx)?;)
            });
            quote!(#(#fields)*)
        });
        let (variants, parameters) = (self.described(), parameters(generics));
        quote! {
            #[automatically_derived]
            impl #impl_generics ::commy::Share for #name #type_generics #where_clause {
                type Stored = #stored #type_generics;
                type Ref<'commy> = #seen #seen_type_generics;
                type Mut<'commy> = #changed #seen_type_generics;
                const OWNS: bool = false #(|| #owns)*;
                const ANY_BYTES: bool = false;

                unsafe fn is_valid(stored: *const Self::Stored) -> bool {
                    // SAFETY: the caller's promise, for each field of the variant that the tag names.
                    unsafe {
                        match <Self::Stored>::commy_tag(stored) {
                            #(#valid)*
                            _ => false,
                        }
                    }
                }

                fn into_stored(self, cx: ::commy::support::Cx) -> ::commy::Result<Self::Stored> {
                    let _nesting = ::commy::support::Nesting::enter(<Self as ::commy::Share>::OWNS)?;
                    let mut payload = ::core::mem::MaybeUninit::<#payload #type_generics>::zeroed();
                    let tag: u64 = match self { #(#stores)* };
                    ::core::result::Result::Ok(#stored { tag: ::commy::support::Word::new(tag), payload })
                }

                #[inline]
                unsafe fn view<'commy>(stored: *const Self::Stored, cx: ::commy::support::Cx) -> Self::Ref<'commy> {
                    // SAFETY: the caller's promise, for each field of the variant that the tag names.
                    unsafe {
                        match <Self::Stored>::commy_tag(stored) {
                            #(#views)*
                            tag => ::commy::support::invalid_tag(cx, stored, #text, tag),
                        }
                    }
                }

                unsafe fn view_mut<'commy>(
                    stored: *mut Self::Stored,
                    cx: ::commy::support::Cx,
                ) -> ::commy::Result<Self::Mut<'commy>> {
                    // SAFETY: as in `view`.
                    ::core::result::Result::Ok(unsafe {
                        match <Self::Stored>::commy_tag(stored) {
                            #(#changes)*
                            _ => return ::core::result::Result::Err(::commy::support::corrupt_tag(cx, stored)),
                        }
                    })
                }

                unsafe fn load(stored: *const Self::Stored, cx: ::commy::support::Cx) -> ::commy::Result<Self> {
                    let _nesting = ::commy::support::Nesting::enter(<Self as ::commy::Share>::OWNS)?;
                    // SAFETY: as in `view`.
                    ::core::result::Result::Ok(unsafe {
                        match <Self::Stored>::commy_tag(stored) {
                            #(#loads)*
                            _ => return ::core::result::Result::Err(::commy::support::corrupt_tag(cx, stored)),
                        }
                    })
                }

                unsafe fn drop_stored(stored: *mut Self::Stored, cx: ::commy::support::Cx) -> ::commy::Result<()> {
                    if <Self as ::commy::Share>::OWNS {
                        let _nesting = ::commy::support::Nesting::enter(true)?;
                        // SAFETY: as in `view`.
                        unsafe {
                            match <Self::Stored>::commy_tag(stored) {
                                #(#drops)*
                                _ => return ::core::result::Result::Err(::commy::support::corrupt_tag(cx, stored)),
                            }
                        }
                    }
                    ::core::result::Result::Ok(())
                }

                fn describe(registry: &mut ::commy::support::Registry) -> usize {
                    let payload = ::core::mem::offset_of!(#stored #type_generics, payload);
                    let variants: &[::commy::support::DescribedVariant<'_>] = &[#(#variants),*];
                    let kind = ::commy::support::Kind::Enum;
                    ::commy::support::describe::<Self>(registry, kind, #text, #parameters, variants)
                }
            }
        }
    }

    fn described(&self) -> Vec<TokenStream> {
        let (_, type_generics, _) = self.generics.split_for_impl();
        let mirrors = self.mirrors().map(|mirror| mirror.name);
        let each = mirrors.zip(self.variants).enumerate();
        each.map(|(tag, (mirror, (variant, fields)))| {
            let (tag, text, within) = (tag as u64, variant.ident.unraw().to_string(), quote!(#mirror #type_generics));
            let parts = fields.iter().map(|field| {
                let ty = field.ty;
                part(field, quote_spanned!(field.span=> <#ty as ::commy::Share>::describe), &within, &quote!(payload))
            });
            quote!((#text, #tag, &[#(#parts),*]))
        })
        .collect()
    }
}
