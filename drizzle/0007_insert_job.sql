-- Jobs inserted by SQL, inside of a transaction of the caller's own: a job exists exactly if that commits.
--
-- jobsvc.insert_job(kind => …, payload => …, …) inserts one, jobsvc.insert_jobs('[{"kind": …}, …]') many. Both run with the
-- rights of whoever migrated, so a caller needs USAGE on the schema and EXECUTE on its functions, and sees no table. What
-- they take is held to the limits of the HTTP door, but for what only a worker knows: the payload's schema of a kind.

-- A job as it is asked for. Numbers are numeric and not integers, so that 1.5 or 99999999999 is refused in our words, and
-- not as a function that does not exist.
create type jobsvc.new_job as (
  id uuid,
  kind text,
  payload text,
  user_id uuid,
  resource_id uuid,
  queue text,
  priority numeric,
  scheduled_at timestamptz,
  max_retries numeric,
  timeout_ms numeric,
  tags text[],
  metadata jsonb
);
--> statement-breakpoint
-- A uuid v7 of a moment: 48 bits of milliseconds, 12 bits of what is below them, the rest random. Ids of moments that are
-- a microsecond apart sort in that order.
create function jobsvc.uuid_v7(at timestamptz default clock_timestamp()) returns uuid
language plpgsql volatile
as $$
declare
  micros constant bigint := extract(epoch from at) * 1000000;
  time_and_version constant bigint := (micros / 1000 << 16) | x'7000'::bigint | (micros % 1000 * 4096 / 1000);
begin
  return encode(int8send(time_and_version) || substring(uuid_send(gen_random_uuid()) from 9), 'hex')::uuid;
end
$$;
--> statement-breakpoint
-- What is wrong with the text of a payload; null when nothing is.
create function jobsvc.payload_fault(payload text) returns text
language plpgsql immutable
as $$
declare
  max_bytes constant int := 262144;
  max_levels constant int := 64;
  too_deep constant text := format('payload must not nest deeper than %s levels', max_levels);
  brackets text;
begin
  if payload is null then
    return 'payload is required';
  elsif octet_length(payload) > max_bytes then
    return format('payload must not be larger than %s bytes', max_bytes);
  end if;
  begin
    perform payload::json;
  exception
    when data_exception then return 'payload must hold JSON';
    when statement_too_complex then return too_deep;
  end;
  brackets := regexp_replace(regexp_replace(payload, '"(?:[^"\\]|\\.)*"', '', 'g'), '[^][{}]', '', 'g');
  brackets := translate(brackets, '[]', '{}');
  for level in 1 .. max_levels loop
    exit when brackets = '';
    brackets := replace(brackets, '{}', ''); -- the innermost level goes
  end loop;
  return case when brackets <> '' then too_deep end;
end
$$;
--> statement-breakpoint
-- The first thing that is wrong with a job; null when nothing is.
create function jobsvc.job_fault(job jobsvc.new_job) returns text
language plpgsql immutable
as $$
declare
  name_pattern constant text := '^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$';
  a_name constant text :=
    '1 to 64 letters, digits, dots, colons, hyphens or underscores, with a letter or digit first';
begin
  if (job.kind ~ name_pattern) is not true then
    return 'kind must be ' || a_name;
  elsif jobsvc.payload_fault(job.payload) is not null then
    return jobsvc.payload_fault(job.payload);
  elsif job.user_id is null then
    return 'user_id is required';
  elsif job.resource_id is null then
    return 'resource_id is required';
  elsif (job.queue ~ name_pattern) is not true then
    return 'queue must be ' || a_name;
  elsif (job.priority between 1 and 9 and job.priority = trunc(job.priority)) is not true then
    return 'priority must be an integer from 1 to 9';
  elsif not job.scheduled_at between '1970-01-01 00:00:00+00' and '2199-12-31 23:59:59.999999+00' then
    return 'scheduled_at must be in the years 1970 to 2199';
  elsif (job.max_retries between 0 and 1000 and job.max_retries = trunc(job.max_retries)) is not true then
    return 'max_retries must be an integer from 0 to 1000';
  elsif not (job.timeout_ms between 1000 and 86400000 and job.timeout_ms = trunc(job.timeout_ms)) then
    return 'timeout_ms must be an integer from 1000 to 86400000';
  elsif job.tags is null or array_ndims(job.tags) > 1 or cardinality(job.tags) > 20 then
    return 'tags must be a list of at most 20';
  elsif job.tags <> '{}' and exists (select from unnest(job.tags) tag where (length(tag) between 1 and 64) is not true) then
    return 'tags must be texts of 1 to 64 characters';
  elsif (jsonb_typeof(job.metadata) = 'object') is not true then
    return 'metadata must be an object';
  elsif octet_length(job.metadata::text) > 16384 then
    return 'metadata must not be larger than 16384 bytes';
  elsif job.metadata @? 'strict $.**{64 to last} ? (@.type() == "object" || @.type() == "array")' then
    return 'metadata must not nest deeper than 64 levels';
  elsif job.metadata @? 'strict $.** ? (@ > 9007199254740991 || @ < -9007199254740991)' then
    return 'metadata must have only numbers that every reader of JSON can hold; send others as texts';
  elsif job.id::text !~ '^.{14}7.{4}[89ab]' then
    return 'id must be a uuid of version 7, as jobsvc.uuid_v7() makes them'; -- lists and retention go by the time in it
  end if;
  return null;
end
$$;
--> statement-breakpoint
create function jobsvc.refuse(fault text) returns void
language plpgsql
as $$
begin
  raise exception using errcode = 'invalid_parameter_value', message = fault;
end
$$;
--> statement-breakpoint
-- Inserts jobs that have been checked, in blocks of jobs that wait together, as src/queue/insert.ts does, and answers
-- their ids in order. An id that is already there is left alone.
--
-- Jobs are dated by the clock and not, as now() would, by the start of the transaction. They become visible even later,
-- when it commits, and may then stand below the low-water marks of those who take. So the wake, which Postgres sends
-- with the commit, says since when jobs may have come. All calls in one transaction say the same, and it is sent once.
create function jobsvc.insert_checked(new_jobs jobsvc.new_job[]) returns setof uuid
language plpgsql
as $$
#variable_conflict use_column
declare
  at constant timestamptz := clock_timestamp();
begin
  return query
  with job as materialized (
    select *, coalesce(id, jobsvc.uuid_v7(at + place * interval '1 microsecond')) as job_id
    from unnest(new_jobs) with ordinality as new (
      id, kind, payload, user_id, resource_id, queue, priority, scheduled_at, max_retries, timeout_ms, tags, metadata, place
    )
  ),
  inserted as (
    insert into jobsvc.jobs (
      id, kind, queue, priority, user_id, resource_id, payload, max_attempts, scheduled_at, timeout_ms, tags, metadata,
      created_at
    )
    select job_id, kind, queue, priority, user_id, resource_id, payload::json, max_retries + 1, scheduled_at, timeout_ms,
      tags, metadata, at
    from job
    order by place
    on conflict (id) do nothing
    returning id, queue, kind, priority, greatest(scheduled_at, created_at) as run_at
  ),
  numbered as (
    select *, (row_number() over (partition by queue, kind, priority, run_at order by id) - 1) / 100 as block
    from inserted
  ),
  blocks as (
    insert into jobsvc.ready (queue, kind, priority, run_at, attempt, job_ids)
    select queue, kind, priority, run_at, 1, array_agg(id order by id)
    from numbered
    group by queue, kind, priority, run_at, block
    order by block
  )
  select job_id from job order by place;

  perform pg_notify('jobsvc_work', format('%s %s', queue, floor(extract(epoch from now()) * 1000)))
  from (select distinct queue from unnest(new_jobs) where coalesce(scheduled_at, at) <= at) due;
end
$$;
--> statement-breakpoint
-- Inserts a job and answers its id. An id that is already there is left alone: who makes it beforehand, by
-- jobsvc.uuid_v7(), may call again when the answer got lost. Bad input is an error 22023 that names the argument.
create function jobsvc.insert_job(
  kind text,
  payload text,
  user_id uuid,
  resource_id uuid,
  queue text default 'default',
  priority numeric default 5,
  scheduled_at timestamptz default null,
  max_retries numeric default 3,
  timeout_ms numeric default null,
  tags text[] default '{}',
  metadata jsonb default '{}',
  id uuid default null
) returns uuid
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  job constant jobsvc.new_job := row(
    id, kind, payload, user_id, resource_id, queue, priority, scheduled_at, max_retries, timeout_ms, tags, metadata
  );
  fault constant text := jobsvc.job_fault(job);
begin
  if fault is not null then
    perform jobsvc.refuse(fault);
  end if;
  return (select jobsvc.insert_checked(array[job]));
end
$$;
--> statement-breakpoint
-- The same with a payload that is no text: json, jsonb, a row, a number …
create function jobsvc.insert_job(
  kind text,
  payload anyelement,
  user_id uuid,
  resource_id uuid,
  queue text default 'default',
  priority numeric default 5,
  scheduled_at timestamptz default null,
  max_retries numeric default 3,
  timeout_ms numeric default null,
  tags text[] default '{}',
  metadata jsonb default '{}',
  id uuid default null
) returns uuid
language sql
as $$
  select jobsvc.insert_job(
    kind, to_json(payload)::text, user_id, resource_id, queue, priority, scheduled_at, max_retries, timeout_ms, tags,
    metadata, id
  )
$$;
--> statement-breakpoint
-- A job of the list that insert_jobs takes: an object whose members have the names of insert_job's arguments. Types are
-- looked at here, so that "5" is no number and a time without a zone no moment; limits in job_fault. What Postgres cannot
-- even pass over, as "\u0000" within a payload that is an object, it takes within one that is a text.
create function jobsvc.read_new_job(given json, place bigint) returns jobsvc.new_job
language plpgsql
as $$
declare
  types constant jsonb := '{
    "id": "string", "kind": "string", "payload": "any", "user_id": "string", "resource_id": "string", "queue": "string",
    "priority": "number", "scheduled_at": "string", "max_retries": "number", "timeout_ms": "number", "tags": "array",
    "metadata": "object"
  }';
  job jobsvc.new_job;
  argument text;
  value json;
  type text;
  word text;
  fault text;
begin
  if json_typeof(given) <> 'object' then
    perform jobsvc.refuse(format('job %s must be an object', place));
  end if;
  job.queue := 'default';
  job.priority := 5;
  job.max_retries := 3;
  job.tags := '{}';
  job.metadata := '{}';
  begin
    for argument, value in select * from json_each(given) loop
      type := json_typeof(value);
      if not types ? argument then
        fault := 'is not an argument';
      elsif type = 'null' and argument in ('id', 'scheduled_at', 'timeout_ms') then
        continue; -- as if it were not there
      elsif types ->> argument not in (type, 'any') then
        fault := 'must be of type ' || (types ->> argument);
      elsif argument = 'tags' and exists (select from json_array_elements(value) tag where json_typeof(tag) <> 'string') then
        fault := 'must be texts';
      elsif argument = 'scheduled_at' and value::text !~ '^"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)"$' then
        fault := 'must be a date and time with a zone, such as 2024-01-01T12:00:00Z';
      end if;
      exit when fault is not null;

      word := case when type in ('string', 'number') then value #>> '{}' else value::text end;
      case argument
        when 'id' then job.id := word;
        when 'kind' then job.kind := word;
        when 'payload' then job.payload := word;
        when 'user_id' then job.user_id := word;
        when 'resource_id' then job.resource_id := word;
        when 'queue' then job.queue := word;
        when 'priority' then job.priority := word;
        when 'scheduled_at' then job.scheduled_at := word;
        when 'max_retries' then job.max_retries := word;
        when 'timeout_ms' then job.timeout_ms := word;
        when 'tags' then job.tags := array(select json_array_elements_text(value));
        when 'metadata' then job.metadata := word;
      end case;
    end loop;
    fault := coalesce(left(argument, 64) || ' ' || fault, jobsvc.job_fault(job));
  exception when data_exception then
    fault := format('%s is not valid: %s', coalesce(argument, 'it'), sqlerrm);
  end;
  if fault is not null then
    perform jobsvc.refuse(format('job %s: %s', place, fault));
  end if;
  return job;
end
$$;
--> statement-breakpoint
-- Inserts the jobs of a JSON array, all or none, and answers their ids in order. The place of a job that is refused, in the
-- message of the error, counts from 0.
create function jobsvc.insert_jobs(jobs text) returns setof uuid
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  given json;
begin
  begin
    given := jobs;
  exception
    when data_exception then perform jobsvc.refuse('jobs must hold JSON');
    when statement_too_complex then perform jobsvc.refuse('jobs nests too deeply');
  end;
  if (json_typeof(given) = 'array') is not true then
    perform jobsvc.refuse('jobs must be an array');
  end if;
  return query
  select jobsvc.insert_checked(array(
    select jobsvc.read_new_job(job, place - 1)
    from json_array_elements(given) with ordinality as list (job, place)
    order by place
  ));
end
$$;
--> statement-breakpoint
-- The same for json, jsonb, an array of rows …
create function jobsvc.insert_jobs(jobs anyelement) returns setof uuid
language sql
as $$
  select jobsvc.insert_jobs(to_json(jobs)::text)
$$;
--> statement-breakpoint
-- Whoever may look into the schema may not therefore insert: that is granted by itself.
revoke execute on all functions in schema jobsvc from public;
