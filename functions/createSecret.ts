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
 * What awaitReplicas found before this step. The answer has `promoted` if the secret was promoted in another Region, `behind` if a
 * replica does not follow, and `unasked` if awaitReplicas failed with an unexpected error; each says why. `empty` lists the Regions
 * that have no copy of the secret although it lists a replica there.
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
 * Writes the new value as pending. The result becomes the state of the execution, which every later step receives. `group`, which
 * startRotation sets, is the same for all rotations that one run starts on one database server. It is passed on for the readers of
 * events. raiseAlarm does not believe it, as it comes from the execution's input: see noteReportingGroup in startRotation.ts.
 *
 * What awaitReplicas found is believed only if the state machine says by `looked` that it has put that into the state: otherwise
 * whoever started the execution may have written it.
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
