import { execFile } from 'node:child_process'
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const KEYRING_FILE = '/usr/share/keyrings/debian-archive-keyring.gpg'
const cacheFolder = join(import.meta.dirname, '../../.cache/servers')

/** Debian packages that are unpacked together. */
export type DebianPackages = {
  /** The Debian release that has the packages, such as `trixie`. */
  suite: string
  /** This package is unpacked with its dependencies. */
  packageName: string
  /** These packages are unpacked without their dependencies. */
  packagesWithoutDependencies?: string[]
}

/**
 * Unpacks Debian packages and their dependencies into the project's cache, unless they are there. They come from the mirror that
 * this system's apt uses. Nothing is installed, and root's rights are not needed.
 * @param finish changes the folder after unpacking; if it throws, the folder is not kept
 * @returns the folder
 * @throws Error if there is no apt, or its mirror does not have the packages
 */
export async function unpackPackages(
  { suite, packageName, packagesWithoutDependencies = [] }: DebianPackages,
  finish: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = join(cacheFolder, `${suite}-${packageName}`)
  if (existsSync(folder)) return folder
  await mkdir(cacheFolder, { recursive: true })
  // The folder gets its name when it is complete. Of two processes that make it at once, one keeps its folder.
  const work = await mkdtemp(`${folder}-`)
  try {
    const apt = await privateApt(work, suite)
    await apt('update')
    await apt('install', '--yes', '--download-only', packageName)
    if (packagesWithoutDependencies.length) await apt('download', ...packagesWithoutDependencies)
    const root = join(work, 'root')
    for (const file of [...pathsIn(join(work, 'archives')), ...pathsIn(work)].filter(name =>
      name.endsWith('.deb'),
    ))
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

/** The command that runs an unpacked program with its unpacked libraries, including the C library and its loader. */
export function programCommand(root: string, path: string): string[] {
  const [loader = ''] = findPaths(root, '{lib,usr/lib}/*-linux-gnu/ld-linux*')
  return [loader, '--library-path', libraryFolders(root).join(':'), join(root, path)]
}

/** The folders of the unpacked libraries. */
export const libraryFolders = (root: string): string[] => findPaths(root, '{lib,usr/lib}/*-linux-gnu')

/** The codename of this system's release, such as `trixie`. Empty if /etc/os-release has none. */
export const releaseCodename = (): string =>
  /^VERSION_CODENAME=(\S+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? ''

const findPaths = (root: string, pattern: string) =>
  globSync(pattern, { cwd: root }).map(path => join(root, path))

const pathsIn = (folder: string) => readdirSync(folder).map(name => join(folder, name))

/** Makes an apt-get with package lists, cache and state of its own in `work`, as on a system where nothing is installed. */
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

/** The URL of the mirror from which this system's apt gets the release's section `main`. */
async function mirrorUrl(): Promise<string> {
  const codename = releaseCodename()
  const conditions = [`Release: ${codename}`, 'Component: main', 'Created-By: Packages']
  const { stdout } = await run('apt-get', [
    'indextargets',
    // Without this apt answers only if it has fetched the mirror's lists.
    '--no-release-info',
    '--format',
    '$(REPO_URI)',
    ...conditions,
  ])
  const [url] = stdout.split('\n')
  if (!url) throw new Error(`apt has no source for main of ${codename}`)
  return url
}
