-- Two organisations may write the same code on their cards. Each one's codes are kept under a name of its own.
create table vault.code_spaces (
    organisation_code text primary key check (organisation_code ~ '\S'),
    prefix text not null
);
comment on table vault.code_spaces is
'what stands before an organisation''s codes in vault.keys; empty where its codes were known before it was named';
