import type { Credential } from '../credential.ts'
import { HostUnmapped, InvalidCredential } from '../errors.ts'
import type { ValueFormat } from '../options.ts'
import { requireHost } from '../refusals.ts'
import type { DatabaseCopies } from './databaseCopies.ts'
import { type HostAndPort, type HostMap, isHostInRegion, lookUpHost } from './hostMap.ts'

/** By what the host of a value is found once its Region is lost. */
export type HostSources = {
  map: HostMap
  /** What asks RDS; it is loaded only when used. */
  loadDatabaseCopies(): Promise<Pick<DatabaseCopies, 'endpointInGlobalCluster' | 'endpointOfReplica'>>
}

/**
 * The value as it is to be in this Region once `from` is lost: with the host that the deployer's map names, or that one global
 * cluster of Aurora lists; as it stands if its host is in no Region. Nothing else may name a host: whoever could would be sent
 * every password. A value that is a password alone names none: the parameter beside it does, which is this Region's own.
 * @throws HostUnmapped if its host would still be in the lost Region; InvalidCredential if that is the parameter's, or if it is no
 *   host and may hold a password
 */
export async function moveToThisRegion(
  credential: Credential,
  { connection }: ValueFormat,
  from: string,
  hosts: HostSources,
): Promise<Credential> {
  if (credential.engine === 'opaque') return credential
  requireHost(credential)
  const found = connection ? undefined : await findHostHere(credential, from, hosts)
  const there = found ? credential.with(found) : credential
  if (!isHostInRegion(there.host, from)) return there
  if (connection)
    throw new InvalidCredential(
      'keyturn:connection',
      `parameter ${connection} of this Region names host ${there.host}, which is in ${from}: it should name the one here`,
    )
  if (there.host !== credential.host)
    throw new HostUnmapped(
      `the file of the parameter hostMap leads from ${credential.host} to ${there.host}, which is in ${from} too: correct that line`,
    )
  throw new HostUnmapped(await unmappedHostMessage(there.host, from, hosts))
}

/** A port is given where it becomes another one. */
async function findHostHere(
  credential: Credential,
  from: string,
  { map, loadDatabaseCopies }: HostSources,
): Promise<HostAndPort | undefined> {
  const { host } = credential
  const port = Number(credential.address.split(':').at(-1))
  const place = lookUpHost(map, { host, port })
  if (place) return { host: place.host, ...(place.port !== port && { port: place.port }) }
  const found = isHostInRegion(host, from)
    ? await (await loadDatabaseCopies()).endpointInGlobalCluster(host, from)
    : undefined
  return found === undefined ? undefined : { host: found }
}

/** With the line for the map, where RDS tells it: of a read replica it does so until that is promoted. */
async function unmappedHostMessage(
  host: string,
  from: string,
  { loadDatabaseCopies }: HostSources,
): Promise<string> {
  // Whatever keeps RDS from telling, the host is missing all the same.
  const copy = await loadDatabaseCopies()
    .then(found => found.endpointOfReplica(host, from))
    .catch(() => undefined)
  return `host ${host} is in ${from}, and the file of the parameter hostMap does not say what takes its place: add "${host}": "${copy ?? '…'}"`
}
