-- From an account to the record of how it came to stand alone: an unlink made it, an undo brought it back (`trivet user show`).
CREATE INDEX audit_log_parted ON public.audit_log (((after ->> 'account')::bigint)) WHERE action IN ('unlink', 'link_undo');
