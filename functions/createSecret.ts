import { errorMessageIn } from '../fleet/errorMessageIn.ts'
import type { PeerAnswer } from '../rotation/replicas.ts'
import { createSecret } from '../rotation/steps.ts'
import type { StoreName } from '../rotation/stores/store.ts'
import { parseEnvironment } from './shared/environment.ts'
import { parseCreateSecretEvent } from './shared/event.ts'
import { logger } from './shared/logger.ts'
import { storePipelines } from './shared/ownStorePipelines.ts'
import { stepHandler } from './shared/stepHandler.ts'

type Event = ReturnType<typeof parseCreateSecretEvent>

/**
 * The name and the ARN of a parameter; nothing for a secret, whose name and ARN the store returns. A parameter's ARN follows
 * from its name and from the account and Region of this stack, because a stack rotates no other account's parameters.
 */
function nameAndArnOf({ store, id }: { store: StoreName; id: string }): { name?: string; arn?: string } {
  if (store !== 'parameter-store') return {}
  const [, partition, , region, account] = parseEnvironment(process.env).executionArnPrefix?.split(':') ?? []
  const arn = account && `arn:${partition}:ssm:${region}:${account}:parameter/${id.replace(/^\//, '')}`
  return { name: id, ...(arn && { arn }) }
}

/**
 * What awaitReplicas found before this step: `promoted` if the secret was promoted in another Region, `behind` if a replica does
 * not follow. `empty` lists the Regions that have no copy of the secret although it lists a replica there. If awaitReplicas failed
 * with an unexpected error, the answer says that the other Regions were not asked.
 */
function replicationAnswerIn({ replication }: Event['rotation']): PeerAnswer {
  const { outcome, why, empty = [], Error: error, Cause: cause } = replication ?? {}
  if (outcome === 'promoted') return { promoted: why ?? outcome, empty }
  if (error === undefined) return { behind: why, empty }
  const reason = errorMessageIn(cause) ?? 'no reason was given'
  if (error === 'ReplicasBehind') return { behind: reason, empty }
  return { unasked: `other Regions were not asked: ${error}: ${reason}`, empty }
}

/**
 * Writes the new value as pending. The result becomes the state of the execution, which every later step receives. By `group`,
 * which startRotation sets, alarms report the failed rotations of one run on one database server together.
 *
 * `looked` is set by the state machine's definition. It is the store whose replicas awaitReplicas looked at: for that store the
 * definition overwrites `replication` in the state with the result of awaitReplicas. For another store, `replication` comes from
 * the execution's input, and is not believed.
 */
export const handler = stepHandler(
  'createSecret',
  storePipelines,
  parseCreateSecretEvent,
  async (pipeline, { rotation, looked }) => {
    const created = await createSecret(
      pipeline,
      rotation,
      looked === rotation.store ? replicationAnswerIn(rotation) : undefined,
    )
    for (const warning of created.warnings ?? []) logger.warn(warning)
    return {
      store: rotation.store,
      ...(rotation.group !== undefined && { group: rotation.group }),
      ...nameAndArnOf(rotation),
      ...created,
    }
  },
)
