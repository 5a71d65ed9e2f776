import { isIP } from 'node:net'
import * as v from 'valibot'
import { isHost } from '../host.ts'

/** A host, with or without a port. Where a new host in the map has no port, a value keeps its own. */
export type HostAndPort = { host: string; port?: number }

/**
 * Which host replaces which in a promotion, from the file that the deployment's parameter hostMap names. The keys are made by
 * mapKeyOf.
 */
export type HostMap = ReadonlyMap<string, HostAndPort>

/** A line of the file: the old host and the new one. */
type HostMapLine = [HostAndPort, HostAndPort]

const textsSchema = v.record(v.string(), v.string())

/**
 * Parses a JSON object with entries `"old": "new"`, each a host or `host:port`. An entry with a port in its key is for that
 * port alone and takes precedence over one without.
 * @throws Error that names the entry and says what it should be
 */
export function parseHostMap(text: string): HostMap {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new Error('should be JSON, such as {"db.old.example.com": "db.new.example.com"}')
  }
  if (Array.isArray(json) || !v.is(textsSchema, json))
    throw new Error('should be an object of texts, such as {"db.old.example.com": "db.new.example.com"}')
  const lines = Object.entries(json).map(([from, to]): HostMapLine => {
    const [oldHost, newHost] = [parseHostAndPort(from), parseHostAndPort(to)]
    if (!oldHost || !newHost)
      throw new Error(`${JSON.stringify(from)}: should be a host or host:port, and so should what it becomes`)
    return [oldHost, newHost]
  })
  const map = new Map(lines.map(([oldHost, newHost]) => [mapKeyOf(oldHost), newHost]))
  const [chained] = Object.keys(json).filter(
    (_, index) => !isFixedPoint(lines[index] as HostMapLine, map, lines),
  )
  if (chained !== undefined)
    throw new Error(
      `${JSON.stringify(chained)}: what it becomes has a line of its own, so a promotion that is repeated would go on to that: write one file for each Region`,
    )
  return map
}

/**
 * Whether the new host of this line is final: no other line replaces it again, whichever port a value has. Otherwise a promotion
 * that is repeated would replace the host twice.
 */
function isFixedPoint([oldHost, newHost]: HostMapLine, map: HostMap, lines: HostMapLine[]): boolean {
  // If neither host has a port, every port in the map is tried, and 0 for all others.
  const ports = [...lines.flatMap(([{ port }]) => port ?? []), 0]
  return [newHost.port ?? oldHost.port ?? ports].flat().every(port => {
    const next = lookUpHost(map, { host: newHost.host, port })
    return !next || mapKeyOf(next) === mapKeyOf({ host: newHost.host, port })
  })
}

/** The host and port that replace a server in the map; undefined if the map has no entry for it. */
export function lookUpHost(
  map: HostMap,
  { host, port }: Required<HostAndPort>,
): Required<HostAndPort> | undefined {
  const replacement = map.get(mapKeyOf({ host, port })) ?? map.get(mapKeyOf({ host }))
  return replacement && { port, ...replacement }
}

/** The key of a host in the map: the host in small letters, and its port if it has one. */
const mapKeyOf = ({ host, port }: HostAndPort) =>
  port ? `${host.toLowerCase()} ${port}` : host.toLowerCase()

/** Parses `host` or `host:port`. An IPv6 address with a port is in brackets. @returns undefined for any other text */
function parseHostAndPort(text: string): HostAndPort | undefined {
  if (isHost(text)) return { host: text }
  const [, bracketed, name, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? []
  const [host = '', port] = [bracketed ?? name, Number(digits)]
  const isValidHost = bracketed === undefined ? isHost(host) : isIP(host) === 6
  return isValidHost && port >= 1 && port <= 65_535 ? { host, port } : undefined
}

/**
 * Whether a host's name says that it is in a Region: by the Region's name (`eu-west-1`), or by ElastiCache's short form (`euw1`). A
 * name in a domain of your own and the writer endpoint of an Aurora global cluster do not name a Region.
 */
export function isHostInRegion(host: string, region: string): boolean {
  const labels = host.toLowerCase().split('.')
  return labels.includes(region) || (labels.includes('cache') && labels.includes(shortenRegion(region)))
}

/** ElastiCache's short form of a Region: `euw1` for `eu-west-1`, `apne2` for `ap-northeast-2`, `ugw1` for `us-gov-west-1`. */
function shortenRegion(region: string): string {
  const [, area = '', direction = '', number = ''] = /^([a-z-]+?)-([a-z]+)-(\d)$/.exec(region) ?? []
  const directionParts = direction.match(/north|south|east|west|central/g) ?? []
  const [first = '', second] = area.split('-')
  const shortArea = second === undefined ? first : `${first[0]}${second[0]}`
  return `${shortArea}${directionParts.map(part => part[0]).join('')}${number}`
}
