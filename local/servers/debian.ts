import { execFile } from 'node:child_process'
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const KEYRING_FILE = '/usr/share/keyrings/debian-archive-keyring.gpg'
const cacheFolder = join(import.meta.dirname, '../../.cache/servers')

export type DebianPackages = {
  /** The release of Debian to take them from. */
  suite: string
  /** Unpacked with all that it depends on. */
  packageName: string
  /** Unpacked without. */
  packagesWithoutDependencies?: string[]
}

/**
 * Unpacks a package of Debian and the libraries it needs into the project's cache, from the mirror that this system's
 * own apt uses; nothing is installed, and no root is needed. `finish` may add to the folder, which is kept only when
 * all is done.
 * @returns the folder
 * @throws if there is no apt, or its mirror does not have the package
 */
export async function unpackPackages(
  { suite, packageName, packagesWithoutDependencies = [] }: DebianPackages,
  finish: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = join(cacheFolder, `${suite}-${packageName}`)
  if (existsSync(folder)) return folder
  await mkdir(cacheFolder, { recursive: true })
  // Renamed when complete: a half-made one is never found, and of two that are made at once one is kept.
  const work = await mkdtemp(`${folder}-`)
  try {
    const apt = await privateApt(work, suite)
    await apt('update')
    await apt('install', '--yes', '--download-only', packageName)
    if (packagesWithoutDependencies.length) await apt('download', ...packagesWithoutDependencies)
    const root = join(work, 'root')
    for (const file of [...list(join(work, 'archives')), ...list(work)].filter(name => name.endsWith('.deb')))
      await run('dpkg', ['--extract', file, root])
    await finish(root)
    await rename(root, folder).catch(error => {
      if (!existsSync(folder)) throw error
    })
    return folder
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** The command that runs a program with the libraries it was unpacked with, whatever this system has. */
export function programCommand(root: string, path: string): string[] {
  const [loader = ''] = findPaths(root, '{lib,usr/lib}/*-linux-gnu/ld-linux*')
  return [loader, '--library-path', libraryFolders(root).join(':'), join(root, path)]
}

/** The folders of its libraries. */
export const libraryFolders = (root: string): string[] => findPaths(root, '{lib,usr/lib}/*-linux-gnu')

/** The codename of this system's own release, if it is one of Debian or has such names as well. */
export const releaseCodename = (): string =>
  /^VERSION_CODENAME=(\S+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? ''

const findPaths = (root: string, pattern: string) =>
  globSync(pattern, { cwd: root }).map(path => join(root, path))

const list = (folder: string) => readdirSync(folder).map(name => join(folder, name))

/** apt-get with lists, cache and package states of its own below `work`, as if nothing were installed. */
async function privateApt(work: string, suite: string) {
  for (const name of ['lists/partial', 'archives/partial']) await mkdir(join(work, name), { recursive: true })
  await writeFile(join(work, 'status'), '')
  await writeFile(
    join(work, 'sources.list'),
    `deb [signed-by=${KEYRING_FILE}] ${await mirrorUrl()} ${suite} main\n`,
  )
  await writeFile(
    join(work, 'apt.conf'),
    `Dir::State "${work}"; Dir::State::status "${work}/status"; Dir::Cache "${work}";
     Dir::Etc::SourceList "${work}/sources.list"; Dir::Etc::SourceParts "-";
     Acquire::Check-Valid-Until "false"; Acquire::Languages "none";
     APT::Install-Recommends "false"; APT::Sandbox::User "";
     #clear APT::Update::Post-Invoke;
     #clear DPkg::Post-Invoke;`,
  )
  return (...command: string[]) =>
    run('apt-get', ['--quiet=2', '-c', join(work, 'apt.conf'), ...command], { cwd: work })
}

/** The address that this system's own release comes from. */
async function mirrorUrl(): Promise<string> {
  const codename = releaseCodename()
  const wanted = [`Release: ${codename}`, 'Component: main', 'Created-By: Packages']
  const { stdout } = await run('apt-get', [
    'indextargets',
    // Also where its lists were never fetched.
    '--no-release-info',
    '--format',
    '$(REPO_URI)',
    ...wanted,
  ])
  const [address] = stdout.split('\n')
  if (!address) throw new Error(`apt has no source for main of ${codename}`)
  return address
}
