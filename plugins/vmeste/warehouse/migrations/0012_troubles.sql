-- What fails run after run is told of once a day, and once more when it works again.
create table ops.troubles (
    place text primary key,
    began_at timestamptz not null,
    told_at timestamptz not null
);
comment on table ops.troubles is 'steps of the sync that fail now: nobody is told each hour of a source that is down';
comment on column ops.troubles.place is 'a task, or a form of which a file was refused: nothing that a person wrote';
comment on column ops.troubles.told_at is 'when people were last told that it fails';
grant select, insert, update, delete on ops.troubles to vmeste_loader;
