//! Requests to what they do. What takes microseconds is done at once; the rest comes later, while others are answered.

use super::session::{Session, named, split};
use crate::failure::{Result, fail};
use crate::services::{Asked, MIN_QUOTA, Service, Waker};
use commy_wire::*;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Operations of a batch that are done at once.
const SMALL_BATCH: usize = 32;
/// The longest that a pop waits.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// A request that is being done.
pub enum Doing {
    Done(Result<Reply>),
    Later(BoxFuture<'static, Result<Reply>>),
}

impl Session {
    /// Does a request, or begins it. It may be taken apart.
    pub fn begin(&mut self, request: &mut Request) -> Doing {
        let doing = match self.allow(request) {
            Err(failure) => Err(failure),
            Ok(()) => match Asked::of_call(&request.call) {
                Some(asked) => self.operate(request, &asked),
                None => self.dispatch(request),
            },
        };
        doing.unwrap_or_else(|failure| Doing::Done(Err(failure)))
    }

    fn dispatch(&mut self, request: &mut Request) -> Result<Doing> {
        if let Call::Batch(batch) = &mut request.call {
            let operations = std::mem::take(&mut batch.operations);
            return self.batch(request, operations);
        }
        let request = &*request;
        Ok(match &request.call {
            Call::Ping(_) => Doing::Done(Ok(Reply::Done {})),
            Call::Authenticate(_) => Doing::Done(Err(fail(Code::BadRequest, "the client has shown who it is already"))),
            Call::ServiceCreate(create) => self.create_service(request, create.clone())?,
            Call::ServiceOpen(_) | Call::ServiceDescribe(_) => {
                let describe = matches!(request.call, Call::ServiceDescribe(_));
                let (row, service) = self.service(request)?;
                let info = self.service_info(&row);
                self.later(service, move |service| {
                    let mut info = info.clone();
                    if describe {
                        info.size = Some(service.segment().size());
                        let objects = service.segment().objects().map_err(crate::failure::of_library)?;
                        info.objects = Some(objects.len() as u64);
                    }
                    Ok(Reply::Service(info))
                })?
            }
            Call::ServiceList(list) => {
                let tenant = list.tenant.as_deref().map(|name| self.policy.tenant(name));
                let seen = self.policy.services().filter(|row| tenant.is_none_or(|tenant| tenant == Some(row.tenant)));
                let seen = seen.filter(|row| self.policy.knows(self.identity.principal, row, Permissions::NONE));
                let seen = seen.map(|row| self.service_info(row));
                Doing::Done(Ok(Reply::Services(seen.collect())))
            }
            Call::ServiceDelete(_) => {
                // One that cannot be opened, too.
                let row = self.row(request)?;
                let (shared, by) = (self.shared.clone(), self.by(request.call.kind()));
                self.to_the_end(async move {
                    shared.catalog.delete_service(&by, row.tenant, row.id, &row.name).await?;
                    shared.services.delete(row.id);
                    Ok(Reply::Done {})
                })?
            }
            Call::ObjectCreate(create) => self.create_object(request, create.clone())?,
            Call::ObjectRemove(asked) => self.remove_object(request, asked.object.clone())?,
            Call::ObjectList(_) => self.list_objects(request)?,
            Call::ObjectDescribe(_) | Call::Scan(_) => {
                let (_, service) = self.service(request)?;
                let call = request.call.clone();
                self.later(service, move |service| match &call {
                    Call::Scan(scan) => service.scan(scan),
                    Call::ObjectDescribe(asked) => service.describe(&asked.object).map(Reply::Object),
                    _ => Err(fail(Code::Unsupported, "this request is not known here")),
                })?
            }
            Call::Map(map) => self.map(request, map)?,
            _ => {
                let work = self.administer(request.call.clone())?;
                self.to_the_end(work)?
            }
        })
    }

    fn batch(&mut self, request: &Request, operations: Vec<Operation>) -> Result<Doing> {
        let limit = self.shared.config.limits.batch;
        if operations.len() > limit {
            let text = format!("a batch of {} operations; there may be {limit}", operations.len());
            return Err(fail(Code::TooLarge, text));
        }
        let service = self.opened(request)?.service.clone();
        let small = operations.len() <= SMALL_BATCH;
        let work = move |service: &Service, at_once| {
            service.batch(&operations, at_once).map(|results| Reply::Batch { results })
        };
        if small { self.once_or_later(service, work) } else { self.later(service, move |service| work(service, false)) }
    }

    /// Does an operation at once; if it has to wait, for a lock or for an element, later.
    fn operate(&mut self, request: &Request, asked: &Asked<'_>) -> Result<Doing> {
        if let Some(wait @ 1..) = asked.waits() {
            let service = self.opened(request)?.service.clone();
            return self.await_element(service, request.call.clone(), Duration::from_millis(wait));
        }
        let opened = self.opened(request)?;
        match opened.service.operate(&mut opened.last, asked, true) {
            Err(failure) if failure.code == Code::Busy => {
                let (service, call) = (opened.service.clone(), request.call.clone());
                self.later(service, move |service| operate_on(service, &call, false))
            }
            done => Ok(Doing::Done(done)),
        }
    }

    /// Takes an element out when there is one.
    fn await_element(&self, service: Arc<Service>, call: Call, wait: Duration) -> Result<Doing> {
        let (shared, end) = (self.shared.clone(), Instant::now() + wait.min(LONGEST_WAIT));
        let patience = Duration::from_secs(shared.config.limits.lock);
        let call = Arc::new(call);
        self.slowly(async move {
            let wake = Arc::new(Notify::new());
            let waker = Waker::new(wake.clone());
            loop {
                // It is looked at after the mark is there to be set.
                let service = service.newest();
                let name = operation(&call)?.object;
                let object = service.object(name)?;
                object.hub().join(&waker);
                loop {
                    waker.take();
                    let again = (service.clone(), call.clone());
                    let done = match operate_on(&service, &call, true) {
                        Err(failure) if failure.code == Code::Busy => {
                            shared.patient.run(patience, move || operate_on(&again.0.settled(), &again.1, false)).await
                        }
                        done => done,
                    };
                    match done {
                        Ok(Reply::Value { found: false, .. }) if Instant::now() < end => {}
                        done => return done,
                    }
                    let woken = tokio::time::timeout_at(end, wake.notified()).await;
                    let is_another = || Ok(!Arc::ptr_eq(&service.object(name)?, &object));
                    if woken.is_ok() && (service.has_moved() || is_another()?) {
                        // Another one has the name now, or the service is another segment.
                        break;
                    }
                }
            }
        })
    }

    /// Does it at once if nothing holds it up; `work` is told whether it is to be at once.
    fn once_or_later(
        &self,
        service: Arc<Service>,
        work: impl Fn(&Service, bool) -> Result<Reply> + Send + 'static,
    ) -> Result<Doing> {
        match work(&service, true) {
            Err(failure) if failure.code == Code::Busy => self.later(service, move |service| work(service, false)),
            done => Ok(Doing::Done(done)),
        }
    }

    /// Does it on another thread.
    pub(super) fn later(
        &self,
        service: Arc<Service>,
        work: impl Fn(&Service) -> Result<Reply> + Send + 'static,
    ) -> Result<Doing> {
        let shared = self.shared.clone();
        let patience = Duration::from_secs(shared.config.limits.lock);
        self.slowly(async move { shared.patient.run(patience, move || work(&service.settled())).await })
    }

    /// Something that takes a while and changes the catalog: it is not left half done when the client goes, or a change that
    /// was committed might not be heeded.
    pub(super) fn to_the_end(&self, work: impl Future<Output = Result<Reply>> + Send + 'static) -> Result<Doing> {
        match self.slowly(work)? {
            Doing::Later(work) => {
                let done = tokio::spawn(work);
                let failed = |_| Err(fail(Code::Internal, "the request could not be done"));
                Ok(Doing::Later(done.map(move |done| done.unwrap_or_else(failed)).boxed()))
            }
            done => Ok(done),
        }
    }

    /// Something that takes a while: one more request in flight.
    pub(super) fn slowly(&self, work: impl Future<Output = Result<Reply>> + Send + 'static) -> Result<Doing> {
        let limit = self.shared.config.limits.in_flight;
        let place = self.usage.begin(limit);
        let place = place
            .ok_or_else(|| fail(Code::TooMany, format!("this principal has {limit} requests in flight already")))?;
        let work = async move {
            let _place = place;
            work.await
        };
        Ok(Doing::Later(work.boxed()))
    }

    fn service_info(&self, row: &crate::policy::ServiceRow) -> ServiceInfo {
        ServiceInfo {
            id: row.id,
            tenant: row.tenant_name.clone(),
            service: row.name.clone(),
            mode: row.mode,
            quota: row.quota,
            permissions: self.permissions(row.node()),
            size: None,
            objects: None,
        }
    }

    fn create_service(&mut self, request: &Request, create: ServiceCreate) -> Result<Doing> {
        let (tenant, name) = split(named(request)?).unwrap_or_default();
        let tenant = self.policy.tenant(tenant);
        let tenant = tenant.ok_or_else(|| fail(Code::NotFound, "there is no such tenant"))?;
        let limits = &self.shared.config.limits;
        let quota = create.quota.unwrap_or(limits.quota).next_multiple_of(4096);
        if !(MIN_QUOTA..=limits.largest_quota).contains(&quota) {
            let text = format!("a quota of {quota} bytes; it must be from {MIN_QUOTA} to {}", limits.largest_quota);
            return Err(fail(Code::BadRequest, text));
        }
        let known = matches!(create.mode, Mode::Served | Mode::Shared | Mode::Isolated);
        if !known || create.mode == Mode::Isolated && !cfg!(target_os = "linux") {
            return Err(fail(Code::Unsupported, "this mode is not known here"));
        }
        let (shared, by, name) = (self.shared.clone(), self.by(request.call.kind()), name.to_owned());
        let principal = self.identity.principal;
        self.to_the_end(async move {
            let id = shared.catalog.create_service(&by, tenant, &name, create.mode, quota).await?;
            let policy = shared.catalog.policy();
            let row = policy.service_by_id(id).cloned();
            let row = row.ok_or_else(|| fail(Code::NotFound, "the service was deleted"))?;
            let opened = {
                let (shared, row) = (shared.clone(), row.clone());
                tokio::task::spawn_blocking(move || shared.services.get(&row).map(|_| ())).await
            };
            if let Ok(Err(failure)) = opened {
                // There is no room for it: then it is not made.
                shared.catalog.delete_service(&by, tenant, id, &name).await?;
                return Err(failure);
            }
            Ok(Reply::Service(ServiceInfo {
                id,
                tenant: row.tenant_name.clone(),
                service: name,
                mode: create.mode,
                quota,
                permissions: policy.permissions(principal, row.node()),
                size: None,
                objects: None,
            }))
        })
    }

    #[cfg(not(unix))]
    fn map(&mut self, _request: &Request, _map: &Map) -> Result<Doing> {
        Err(fail(Code::Unsupported, "segments cannot be handed over on this system"))
    }
}

/// The operation that a request is.
fn operation(call: &Call) -> Result<Asked<'_>> {
    Asked::of_call(call).ok_or_else(|| fail(Code::Unsupported, "this is no operation"))
}

/// Does the operation that a request is.
fn operate_on(service: &Service, call: &Call, at_once: bool) -> Result<Reply> {
    service.operate(&mut None, &operation(call)?, at_once)
}
