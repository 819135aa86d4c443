-- How venues refuse a key that does not exist: the form of the answer, without its values. It was learned with a key that Keyhold made up,
-- at most once a day for each venue and environment, so a row holds nothing of a tenant.
create table venue_refusals (
  venue text not null,
  environment text not null,
  asked_at timestamptz not null default now(),
  -- Null while the venue is asked, and after an answer that says nothing.
  form text check (length(form) <= 2000),
  primary key (venue, environment)
);
grant select, insert, update on venue_refusals to keyhold_app;
