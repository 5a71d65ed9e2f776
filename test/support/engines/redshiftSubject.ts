import { escapeIdentifier as name, escapeLiteral as text } from 'pg'
import type { PostgresServer } from '../../../local/servers/postgres.ts'
import { credentialFor, randomHex, runStatements } from '../../../local/servers/postgresDatabase.ts'
import { md5PasswordHash } from '../../../rotation/engines/postgres/scram.ts'
import { Redshift } from '../../../rotation/engines/redshift/redshift.ts'
import type { EngineSubject } from '../contracts/engine.ts'
import { subjectOf as postgresSubjectOf } from './postgresSubject.ts'
import { makeApp, StandInClient } from './redshiftStandIn.ts'

/** Redshift for the engine contract, on the server that stands in for it. */
export function subjectOf(server: PostgresServer): EngineSubject {
  const sql = (statements: string, database?: string) =>
    runStatements(server, statements, database).then(() => {})
  // Redshift has no standby to which users log in.
  const { standby: _, ...subject } = postgresSubjectOf(server)
  return {
    ...subject,
    engine: options => new Redshift({ caFile: server.caFile, Client: StandInClient, ...options }),
    makeApp: options => makeApp(server, options),
    // These are PostgreSQL's limits. Redshift's names may have 127 bytes.
    maxLengths: {
      password: 900,
      name: () => `${'ü'.repeat(25)}_${randomHex()}`,
      cloned: () => `${'ü'.repeat(22)}_${randomHex()}`,
    },
    async plainTextUser() {
      await subject.plainTextUser()
      return credentialFor(server, 'plain', 'p', { engine: 'redshift', ssl: false })
    },
    async change({ user, database }) {
      const group = `group_${randomHex()}`
      await sql(
        `create group ${group}; alter group ${group} add user ${name(user)};
         alter user ${name(user)} connection limit 7 valid until '2999-01-01' createdb;
         alter user ${name(user)} set statement_timeout = '17s';
         create schema s; grant usage on schema s to ${name(user)};
         create table s.t (n int, m int); grant select, insert on s.t to ${name(user)};
         insert into svv_user_grants values (${text(user)}, 'some role', false)`,
        database,
      )
    },
    async changeBack({ user, database }) {
      await sql(
        `alter user ${name(user)} reset all; alter user ${name(user)} connection limit -1 valid until 'infinity' nocreatedb;
         revoke all on s.t from ${name(user)}; delete from svv_user_grants where user_name = ${text(user)}`,
        database,
      )
    },
    giveStrayRole: ({ database }, clone) =>
      sql(`insert into svv_user_grants values (${text(clone)}, 'a stray one', false)`, database),
    makeStranger: ({ database }, clone, password) =>
      sql(
        `create user ${name(clone)} password '${md5PasswordHash(clone, password)}';
         create schema strange; grant usage on schema strange to ${name(clone)}`,
        database,
      ),
    makeSuperuser: (_, clone) => sql(`create user ${name(clone)} superuser`),
  }
}
