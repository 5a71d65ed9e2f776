import type { Credential } from '../../credential.ts'
import { type CompletedLogin, PostgresFamily, type PostgresOptions } from '../postgres/postgresFamily.ts'
import type { AuthenticationResponder } from '../postgres/postgresProof.ts'
import { digestResponder } from './redshiftDigest.ts'
import { RedshiftSession } from './redshiftSession.ts'

/** The engine for Redshift, provisioned or serverless. */
export class Redshift extends PostgresFamily<RedshiftSession> {
  constructor(options: PostgresOptions) {
    super('redshift', options)
  }

  protected override createSession(login: CompletedLogin, accountQualifier?: string): RedshiftSession {
    return new RedshiftSession(login, credential => this.login(credential), accountQualifier)
  }

  protected override authenticationResponder({ password }: Credential): AuthenticationResponder {
    return digestResponder(password)
  }
}
