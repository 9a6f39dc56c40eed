//! `#[derive(Share)]` of a struct: its mirror in the segment, and the view of it.

use crate::input::{self, Field, bounded, parameters, part};
use crate::mirror::Mirror;
use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use std::collections::HashSet;
use syn::ext::IdentExt;
use syn::{DataStruct, DeriveInput, Generics, Ident, Result, Visibility};

pub(crate) fn derive(input: &DeriveInput, data: &DataStruct) -> Result<TokenStream> {
    let generics = bounded(input, |_| quote!(::commy::Share))?;
    let fields = input::fields(&data.fields);
    let name = &input.ident;
    let stored = format_ident!("__{}Stored", name.unraw());
    let view = format_ident!("{}View", name.unraw());
    let mirror = Mirror { name: stored, shape: &data.fields, fields: &fields, generics: &generics };
    let declarations = declarations(input, &mirror, &view);
    let share = share(name, &mirror, &view);
    let methods = methods(name, &mirror, &view)?;
    let debug = debug(name, &mirror, &view);
    let (view_declaration, mirror_declaration) = declarations;
    Ok(quote! {
        #view_declaration

        #[allow(dead_code, unused_qualifications)]
        const _: () = {
            #mirror_declaration
            #share
            #methods
            #debug
        };
    })
}

/// The view, which users name, and the mirror, which they do not.
fn declarations(input: &DeriveInput, mirror: &Mirror<'_>, view: &Ident) -> (TokenStream, TokenStream) {
    let (name, visibility) = (&input.ident, &input.vis);
    let parameters = &mirror.generics.params;
    let (_, type_generics, where_clause) = mirror.generics.split_for_impl();
    let text = format!("A [`{}`] in a segment, seen in place: see `#[derive(commy::Share)]`.", name.unraw());
    let view = quote! {
        #[doc = #text]
        #[repr(C)]
        #visibility struct #view <#parameters> #where_clause {
            stored: <#name #type_generics as ::commy::Share>::Stored,
            thread: ::commy::support::ThreadBound,
            cx: [()],
        }
    };
    (view, mirror.declaration(visibility))
}

fn share(name: &Ident, mirror: &Mirror<'_>, view: &Ident) -> TokenStream {
    let (impl_generics, type_generics, where_clause) = mirror.generics.split_for_impl();
    let stored = &mirror.name;
    let text = name.unraw().to_string();
    let members: Vec<_> = mirror.fields.iter().map(|field| &field.member).collect();
    let binds = mirror.fields.iter().map(|field| &field.bind);
    let each = |write: fn(&Field<'_>) -> TokenStream| mirror.fields.iter().map(write).collect::<Vec<_>>();
    let owns = each(|Field { ty, span, .. }| quote_spanned!(*span=> <#ty as ::commy::Share>::OWNS));
    let any = each(|Field { ty, span, .. }| quote_spanned!(*span=> <#ty as ::commy::Share>::ANY_BYTES));
    let valid = each(
        |Field { ty, span, member, .. }| quote_spanned!(*span=> <#ty as ::commy::Share>::is_valid(&raw const (*stored).#member)),
    );
    let loads = each(|Field { ty, span, member, .. }| {
        quote_spanned! {*span=>
            #member: <#ty as ::commy::Share>::load(&raw const (*stored).#member, cx)?
        }
    });
    let drops = each(|Field { ty, span, member, .. }| {
        quote_spanned! {*span=>
            <#ty as ::commy::Share>::drop_stored(&raw mut (*stored).#member, cx)?;
        }
    });
    let within = quote!(<Self as ::commy::Share>::Stored);
    let parts = mirror.fields.iter().map(|field| {
        let ty = field.ty;
        part(field, quote_spanned!(field.span=> <#ty as ::commy::Share>::describe), &within, &quote!(0))
    });
    let (store, parameters) = (mirror.store(), parameters(mirror.generics));
    quote! {
        #[automatically_derived]
        impl #impl_generics ::commy::Share for #name #type_generics #where_clause {
            type Stored = #stored #type_generics;
            type Ref<'commy> = &'commy #view #type_generics;
            type Mut<'commy> = &'commy mut #view #type_generics;
            const OWNS: bool = false #(|| #owns)*;
            const ANY_BYTES: bool = true #(&& #any)*;

            #[inline]
            unsafe fn is_valid(stored: *const Self::Stored) -> bool {
                // SAFETY: the caller's promise, for each field.
                #[allow(unused_unsafe)]
                unsafe { true #(&& #valid)* }
            }

            fn into_stored(self, cx: ::commy::support::Cx) -> ::commy::Result<Self::Stored> {
                let _nesting = ::commy::support::Nesting::enter(<Self as ::commy::Share>::OWNS)?;
                let Self { #(#members: #binds),* } = self;
                ::core::result::Result::Ok(#store)
            }

            #[inline(always)]
            unsafe fn view<'commy>(
                stored: *const Self::Stored,
                cx: ::commy::support::Cx,
            ) -> &'commy #view #type_generics {
                let view = ::core::ptr::slice_from_raw_parts(stored.cast::<()>(), cx.metadata());
                // SAFETY: the view is the stored form, then members of no size; the rest is the caller's promise.
                unsafe { &*(view as *const #view #type_generics) }
            }

            #[inline(always)]
            unsafe fn view_mut<'commy>(
                stored: *mut Self::Stored,
                cx: ::commy::support::Cx,
            ) -> ::commy::Result<&'commy mut #view #type_generics> {
                let view = ::core::ptr::slice_from_raw_parts_mut(stored.cast::<()>(), cx.metadata());
                // SAFETY: as in `view`.
                ::core::result::Result::Ok(unsafe { &mut *(view as *mut #view #type_generics) })
            }

            unsafe fn load(stored: *const Self::Stored, cx: ::commy::support::Cx) -> ::commy::Result<Self> {
                let _nesting = ::commy::support::Nesting::enter(<Self as ::commy::Share>::OWNS)?;
                // SAFETY: the caller's promise, for each field.
                unsafe { ::core::result::Result::Ok(Self { #(#loads),* }) }
            }

            unsafe fn drop_stored(stored: *mut Self::Stored, cx: ::commy::support::Cx) -> ::commy::Result<()> {
                if <Self as ::commy::Share>::OWNS {
                    let _nesting = ::commy::support::Nesting::enter(true)?;
                    // SAFETY: the caller's promise, for each field.
                    unsafe { #(#drops)* }
                }
                ::core::result::Result::Ok(())
            }

            fn describe(registry: &mut ::commy::support::Registry) -> usize {
                let variants: &[::commy::support::DescribedVariant<'_>] = &[("", 0, &[#(#parts),*])];
                let kind = ::commy::support::Kind::Struct;
                ::commy::support::describe::<Self>(registry, kind, #text, #parameters, variants)
            }
        }

        #[automatically_derived]
        impl #impl_generics ::commy::Viewed for #name #type_generics #where_clause {
            type View = #view #type_generics;
        }
    }
}

/// The methods of the view: three for each field, and one that is for trying.
fn methods(name: &Ident, mirror: &Mirror<'_>, view: &Ident) -> Result<TokenStream> {
    let (impl_generics, type_generics, where_clause) = mirror.generics.split_for_impl();
    let mut taken = HashSet::new();
    let mut methods = Vec::new();
    for field in mirror.fields {
        let base = field.method.unraw();
        for name in [format!("{base}"), format!("{base}_mut"), format!("try_{base}_mut"), format!("set_{base}")] {
            if taken.contains(&name) {
                let message = format!("the view of this struct would have two methods `{name}`; rename the field");
                return Err(syn::Error::new_spanned(&field.member, message));
            }
            taken.insert(name);
        }
        methods.push(of_field(field));
    }
    let whole = &quote!(#name #type_generics);
    if !taken.contains("load") {
        methods.push(quote! {
            /// A copy of the whole, owned by the process.
            ///
            /// # Errors
            /// `Error::Corrupt` if it cannot be read; `Error::BadArgument` if it is nested too deeply.
            pub fn load(&self) -> ::commy::Result<#whole> {
                // SAFETY: a view is made of a stored value and its context.
                unsafe { <#whole as ::commy::Share>::load(&raw const self.stored, self.commy_cx()) }
            }
        });
    }
    if !taken.contains("store") {
        methods.push(quote! {
            /// Replaces the whole.
            ///
            /// # Errors
            /// `Error::OutOfSpace`; it is then as it was.
            pub fn store(&mut self, value: #whole) -> ::commy::Result<()> {
                let cx = self.commy_cx();
                // SAFETY: a view is made of a stored value and its context.
                unsafe { ::commy::support::replace::<#whole>(&raw mut self.stored, value, cx) }
            }
        });
    }
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #view #type_generics #where_clause {
            #[inline(always)]
            fn commy_cx(&self) -> ::commy::support::Cx {
                // SAFETY: a view is made with the metadata of its context, which lives as long.
                unsafe { ::commy::support::Cx::from_metadata(self.cx.len()) }
            }
            #(#methods)*
        }
    })
}

fn of_field(field: &Field<'_>) -> TokenStream {
    let Field { member, name, method, visibility, ty, span, .. } = field;
    let base = method.unraw();
    let (change, attempt) = (format_ident!("{base}_mut"), format_ident!("try_{base}_mut"));
    let set = format_ident!("set_{base}");
    let own = |visibility: &Visibility| visibility.clone();
    let visibility = own(visibility);
    let texts = [
        format!("The field `{name}` in place."),
        format!("The field `{name}` in place, to be changed."),
        format!("If the transaction's log has no room; [`{attempt}`](Self::{attempt}) returns the error."),
        format!("As [`{change}`](Self::{change}), without the panic."),
        format!("Replaces the field `{name}`."),
    ];
    let [see, lend, panics, attempts, sets] = &texts;
    quote_spanned! {*span=>
        #[doc = #see]
        #[inline]
        #visibility fn #method(&self) -> <#ty as ::commy::Share>::Ref<'_> {
            // SAFETY: a view is made of a stored value and its context.
            unsafe { <#ty as ::commy::Share>::view(&raw const self.stored.#member, self.commy_cx()) }
        }

        #[doc = #lend]
        ///
        /// # Panics
        #[doc = #panics]
        #[inline]
        #visibility fn #change(&mut self) -> <#ty as ::commy::Share>::Mut<'_> {
            let cx = self.commy_cx();
            // SAFETY: a view is made of a stored value and its context; who has `&mut` of it, has it alone.
            ::commy::support::lent(unsafe { <#ty as ::commy::Share>::view_mut(&raw mut self.stored.#member, cx) })
        }

        #[doc = #attempts]
        ///
        /// # Errors
        /// `Error::OutOfSpace` if the transaction's log has no room.
        #[inline]
        #visibility fn #attempt(&mut self) -> ::commy::Result<<#ty as ::commy::Share>::Mut<'_>> {
            let cx = self.commy_cx();
            // SAFETY: as in the method before.
            unsafe { <#ty as ::commy::Share>::view_mut(&raw mut self.stored.#member, cx) }
        }

        #[doc = #sets]
        ///
        /// # Errors
        /// `Error::OutOfSpace`; it is then as it was.
        #visibility fn #set(&mut self, value: #ty) -> ::commy::Result<()> {
            let cx = self.commy_cx();
            // SAFETY: as in the methods before.
            unsafe { ::commy::support::replace::<#ty>(&raw mut self.stored.#member, value, cx) }
        }
    }
}

/// The generics, with the bound that the type parameters can be shown where they are seen in place.
pub(crate) fn showable(generics: &Generics) -> Generics {
    let mut generics = generics.clone();
    let names: Vec<_> = generics.type_params().map(|parameter| parameter.ident.clone()).collect();
    let clause = generics.make_where_clause();
    for name in names {
        clause.predicates.push(syn::parse_quote!(
            for<'seen> <#name as ::commy::Share>::Ref<'seen>: ::core::fmt::Debug
        ));
    }
    generics
}

/// `Debug` of the view, like that of the struct: fields that have none are shown as `..`.
fn debug(name: &Ident, mirror: &Mirror<'_>, view: &Ident) -> TokenStream {
    let generics = showable(mirror.generics);
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let text = name.unraw().to_string();
    let fields = mirror.fields.iter().map(|Field { name, member, ty, span, .. }| {
        quote_spanned! {*span=>
            // SAFETY: a view is made of a stored value and its context.
            let seen = unsafe { <#ty as ::commy::Share>::view(&raw const self.stored.#member, self.commy_cx()) };
            shown.field(#name, (&::commy::support::Show(&seen)).show());
        }
    });
    let start = match mirror.shape {
        syn::Fields::Unnamed(_) => quote!(::commy::support::ShowFields::tuple(f, #text)),
        _ => quote!(::commy::support::ShowFields::named(f, #text)),
    };
    quote! {
        #[automatically_derived]
        impl #impl_generics ::core::fmt::Debug for #view #type_generics #where_clause {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                #[allow(unused_imports)]
                use ::commy::support::{ShowAnything, ShowDebug};
                #[allow(unused_mut)]
                let mut shown = #start;
                #(#fields)*
                shown.finish()
            }
        }
    }
}
