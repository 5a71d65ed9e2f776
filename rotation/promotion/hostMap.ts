import { isIP } from 'node:net'
import * as v from 'valibot'
import { isHost } from '../host.ts'

/** A host, or one of its ports; undefined is the port that a value had before. */
export type HostAndPort = { host: string; port?: number }

/** Which host takes the place of which, as the deployer wrote it: the file of the parameter hostMap. */
export type HostMap = ReadonlyMap<string, HostAndPort>

/** A line of the file: a place, and what takes it. */
type HostMapLine = [HostAndPort, HostAndPort]

const textsSchema = v.record(v.string(), v.string())

/**
 * Reads a JSON object of `"old": "new"`, each a host or `host:port`. A key with a port is for that port alone, and comes first.
 * @throws Error that names the entry, and says what it should be
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
    const [old, place] = [parseHostAndPort(from), parseHostAndPort(to)]
    if (!old || !place)
      throw new Error(`${JSON.stringify(from)}: should be a host or host:port, and so should what it becomes`)
    return [old, place]
  })
  const map = new Map(lines.map(([old, place]) => [mapKeyOf(old), place]))
  const [moving] = Object.keys(json).filter(
    (_, index) => !isFixedPoint(lines[index] as HostMapLine, map, lines),
  )
  if (moving !== undefined)
    throw new Error(
      `${JSON.stringify(moving)}: what it becomes has a line of its own, so a promotion that is repeated would go on to that: write one file for each Region`,
    )
  return map
}

/** Whether what a line makes of a host stays as it is by all lines, whichever port a value names. */
function isFixedPoint([old, place]: HostMapLine, map: HostMap, lines: HostMapLine[]): boolean {
  const ports = [...lines.flatMap(([{ port }]) => port ?? []), 0]
  return [place.port ?? old.port ?? ports].flat().every(port => {
    const next = lookUpHost(map, { host: place.host, port })
    return !next || mapKeyOf(next) === mapKeyOf({ host: place.host, port })
  })
}

/** What takes the place of a server, with its port; undefined if the map does not say. */
export function lookUpHost(
  map: HostMap,
  { host, port }: Required<HostAndPort>,
): Required<HostAndPort> | undefined {
  const place = map.get(mapKeyOf({ host, port })) ?? map.get(mapKeyOf({ host }))
  return place && { port, ...place }
}

const mapKeyOf = ({ host, port }: HostAndPort) =>
  port ? `${host.toLowerCase()} ${port}` : host.toLowerCase()

/** An IPv6 address with a port is in brackets. */
function parseHostAndPort(text: string): HostAndPort | undefined {
  if (isHost(text)) return { host: text }
  const [, bracketed, name, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? []
  const [host = '', port] = [bracketed ?? name, Number(digits)]
  const isRight = bracketed === undefined ? isHost(host) : isIP(host) === 6
  return isRight && port >= 1 && port <= 65_535 ? { host, port } : undefined
}

/**
 * Whether a host's name says that it is in a Region: as AWS writes it (`eu-west-1`), or as ElastiCache shortens it (`euw1`).
 * A name of one's own, and the writer endpoint of an Aurora global cluster, name no Region.
 */
export function isHostInRegion(host: string, region: string): boolean {
  const labels = host.toLowerCase().split('.')
  return labels.includes(region) || (labels.includes('cache') && labels.includes(shortenRegion(region)))
}

/** `eu-west-1` as `euw1`, `ap-northeast-2` as `apne2`, `us-gov-west-1` as `ugw1`. */
function shortenRegion(region: string): string {
  const [, area = '', way = '', number = ''] = /^([a-z-]+?)-([a-z]+)-(\d)$/.exec(region) ?? []
  const directions = way.match(/north|south|east|west|central/g) ?? []
  const [first = '', second] = area.split('-')
  const start = second === undefined ? first : `${first[0]}${second[0]}`
  return `${start}${directions.map(direction => direction[0]).join('')}${number}`
}
