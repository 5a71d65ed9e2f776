import type { Credential } from '../../credential.ts'
import { type CompletedLogin, PostgresFamily, type PostgresOptions } from './postgresFamily.ts'
import { PostgresSession } from './postgresSession.ts'

/** PostgreSQL, also as RDS and Aurora. */
export class Postgres extends PostgresFamily<PostgresSession> {
  constructor(options: PostgresOptions) {
    super('postgres', options)
  }

  /** Nothing shows what the server keeps: SCRAM is what both of its ways take that look at a password. */
  loginUnchecked(credential: Credential): Promise<PostgresSession> {
    return this.openSession(credential, told => ({ ...told, proof: told.proof ?? 'scram-sha-256:4096' }))
  }

  protected override createSession(login: CompletedLogin, host?: string): PostgresSession {
    return new PostgresSession(login, other => this.login(other), host)
  }
}
