import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { setAdmin } from '../rotation/setAdmin.ts'
import { LockedEdits } from '../rotation/stores/edits.ts'
import { SecretEdits } from '../rotation/stores/secretEdits.ts'
import { parseOwnershipEnvironment } from './shared/environment.ts'
import { functionHandler } from './shared/handler.ts'
import { pipelines } from './shared/ownPipelines.ts'
import { REQUEST_TIMEOUTS } from './shared/requestTimeouts.ts'
import { parseSetAdminEvent } from './shared/setAdminEvent.ts'

const secretEdits = new SecretEdits(new SecretsManagerClient({ requestHandler: REQUEST_TIMEOUTS }))
const { listedAdmins = [], rotationFunction } = parseOwnershipEnvironment(process.env)

/** Writes the ARN of the admin's secret into the value of a credential, as `masterarn`. The result holds no value. */
export const handler = functionHandler(
  'setAdmin',
  parseSetAdminEvent,
  ({ store, id, admin }) => ({ store, id, admin }),
  async ({ store, id, admin, started }) => {
    const pipeline = await pipelines.of(store)
    const { store: secrets } = await pipelines.of('secrets-manager')
    const answer = await setAdmin(
      {
        ...pipeline,
        edits: store === 'secrets-manager' ? secretEdits : new LockedEdits(pipeline.store),
        describeAdmin: arn => secrets.describe(arn),
        listedAdmins,
        rotationFunction,
      },
      { id, admin, started },
    )
    return { store, id, admin, ...answer }
  },
)
