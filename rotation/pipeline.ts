import type { Credential } from './credential.ts'
import type { Engine } from './engines/engine.ts'
import type { EngineName } from './engines/traits.ts'
import type { Options } from './options.ts'
import type { RdsCalls } from './rds.ts'
import type { Store } from './stores/store.ts'

/** What a step gets that connects to no database: createSecret, finishSecret and awaitReplicas. */
export type StorePipeline = {
  store: Store
  /** Reads the parameter that the tag `keyturn:connection` names: AWS's JSON without the password. */
  readConnection(name: string): Promise<string>
  /** Whether the rotation with this token is at work: its execution runs and has not announced its success. */
  isRotating(token: string): Promise<boolean>
  /** Whether the execution with this token runs at all. Unlike `isRotating`, this is also true during the grace time. */
  isExecutionRunning(token: string): Promise<boolean>
  /**
   * Whether it is certain that no execution with this token changed a database: each call of setSecret either did not run at all,
   * or ended with an error that says so (see changedNothingMark.ts). False if that is not known.
   */
  hasChangedNothing(token: string): Promise<boolean>
  /**
   * Whether it is certain that setSecret of an execution with this token went well. Where it is left out, as in tests, that is not
   * known.
   */
  wasSet?(token: string): Promise<boolean>
  /** The deployment's defaults. */
  defaults: Options
}

/** What every step gets that connects to a database. */
export type Pipeline = StorePipeline & {
  /** Loads the driver of an engine when it is first used. */
  loadEngine(name: EngineName): Promise<Engine>
  /** Reads the value of an admin's secret, by the ARN in `masterarn`. */
  readAdmin(arn: string): Promise<Credential>
  /** Loads the client of RDS when it is first used. */
  rds(): Promise<RdsCalls>
}
