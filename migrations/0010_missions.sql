-- Missions that wait to be paid when their period has ended, in the very order in which they are read (store/sql/missions.sql): a portion of a
-- hundred then costs the same whether a thousand wait or ten million.
CREATE INDEX mission_progress_due ON public.mission_progress (period_no, user_id, mission_id) WHERE claimed_at IS NULL AND NOT copied;
DROP INDEX public.mission_progress_unclaimed;
