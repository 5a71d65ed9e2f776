import type { Credential } from '../../credential.ts'
import { type CompletedLogin, PostgresFamily, type PostgresOptions } from './postgresFamily.ts'
import { PostgresSession } from './postgresSession.ts'

/** The engine for PostgreSQL, also on RDS and Aurora. */
export class Postgres extends PostgresFamily<PostgresSession> {
  constructor(options: PostgresOptions) {
    super('postgres', options)
  }

  /**
   * If the server does not ask for the password, nothing shows in which form it stores the password. The session then stores a
   * new password as a SCRAM-SHA-256 verifier, which both methods `scram-sha-256` and `md5` in pg_hba.conf accept
   * (https://www.postgresql.org/docs/current/auth-password.html).
   */
  loginUnchecked(credential: Credential): Promise<PostgresSession> {
    return this.openSession(credential, details => ({
      ...details,
      proof: details.proof ?? 'scram-sha-256:4096',
    }))
  }

  protected override createSession(login: CompletedLogin, accountQualifier?: string): PostgresSession {
    return new PostgresSession(login, credential => this.login(credential), accountQualifier)
  }
}
