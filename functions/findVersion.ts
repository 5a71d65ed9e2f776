import { findVersion } from '../rotation/promotion/findVersion.ts'
import { functionHandler } from './shared/handler.ts'
import { ownHosts } from './shared/ownHosts.ts'
import { pipelines } from './shared/ownPipelines.ts'
import { parseFindVersionEvent } from './shared/promotionEvent.ts'

const hosts = ownHosts()

/** Finds the version of a replica that logs in to this Region's database. It changes nothing, and returns the version's id. */
export const handler = functionHandler(
  'findVersion',
  parseFindVersionEvent,
  ({ arn, from, rehearsal }) => ({ id: arn, from, rehearsal }),
  async wanted => findVersion({ ...(await pipelines.of('secrets-manager')), hosts }, wanted),
)
