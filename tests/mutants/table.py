"""Each rule of docs/durability.md, one way to break it in the source, and a test that then fails.

`make mutants` breaks a copy of the source so, one after the other, and runs the test: it must fail.
What nothing notices is a rule without a test. A row whose text is no longer in its file fails too:
the code moved on, and the row has to follow.
"""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """rule: as docs/durability.md names it. file: below src/pannier. old, new: exact text, once.
    test: what pytest is given; all of it is expected to pass unbroken."""

    rule: str
    file: str
    old: str
    new: str
    test: str


REPO, LINKS = "tests/hostile/test_repositories.py", "tests/hostile/test_links.py"
SETTINGS, SECRETS = "tests/hostile/test_settings.py", "tests/hostile/test_secrets.py"
DAMAGE, CUT = "tests/hostile/test_damage.py", "tests/hostile/test_cut_and_flipped.py"
HURT = "tests/crash/test_damaged.py"
RACES = "tests/crash/test_races.py"
RANGES, READING = "tests/unit/test_ranges.py", "tests/unit/test_reading.py"
SSH = "tests/contract/test_ssh.py"

MUTANTS = (
    # -- what a repository or a remote says (section 2) ----
    Mutant(
        "S1: parts of a list's paths",
        "core/path.py",
        'if part in (".", ".."):',
        'if part in (".",):',
        f"{REPO}::test_a_manifest_with_a_bad_path_is_refused_as_a_whole",
    ),
    Mutant(
        "S1: Git's own folder as any file system spells it",
        "core/path.py",
        'return bare == ".git" or',
        'return part == ".git" or',
        f"{REPO}::test_a_manifest_with_a_bad_path_is_refused_as_a_whole",
    ),
    Mutant(
        "S1: absolute paths",
        "core/path.py",
        'if path.startswith("/"):\n        return "it is absolute"',
        'if path.startswith("/"):\n        return None',
        f"{REPO}::test_a_manifest_with_a_bad_path_is_refused_as_a_whole",
    ),
    Mutant(
        "S1: a list that contradicts itself",
        "core/manifest.py",
        "def _check_tree(paths: list[str], name: str) -> None:\n",
        "def _check_tree(paths: list[str], name: str) -> None:\n    return\n",
        f"{REPO}::test_a_manifest_that_contradicts_itself_is_refused",
    ),
    Mutant(
        "S2: a digest is 32 digits",
        "core/digest.py",
        r'_HEX = pattern(r"[0-9a-f]{32}(\.dir)?\Z")',
        r'_HEX = pattern(r".+\Z")',
        f"{REPO}::test_a_pointer_whose_digest_is_none_is_named",
    ),
    Mutant(
        "S2: a list's digests",
        "core/manifest.py",
        "if not (isinstance(digest, str) and is_object_name(digest)) or",
        "if not isinstance(digest, str) or",
        f"{REPO}::test_a_manifest_whose_digests_are_none_reaches_nothing",
    ),
    Mutant(
        "S3: no link on the way, checkout",
        "ops/checkout.py",
        "        if link is not None:\n            raise BadPath(path=path, reason",
        "        if link is not None and False:\n            raise BadPath(path=path, reason",
        f"{LINKS}::test_an_output_behind_a_link_is_refused_also_when_its_bytes_are_right",
    ),
    Mutant(
        "S3: no link on the way, commit",
        "ops/commit.py",
        "        _refuse_link_on_the_way(project, ref)\n",
        "        pass\n",
        f"{LINKS}::test_no_command_takes_files_through_a_link_on_the_way",
    ),
    Mutant(
        "S3: no link inside a directory",
        "disk/beneath.py",
        "_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW",
        "_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC",
        "tests/unit/test_beneath.py",
    ),
    Mutant(
        "S3b: an output that is a link to elsewhere",
        "ops/checkout.py",
        'if target.startswith(self._project.cache_dir + "/"):',
        "if target:",
        f"{REPO}::test_an_output_that_is_a_link_to_elsewhere_is_left_alone",
    ),
    Mutant(
        "S5: settings of the repository run nothing",
        "formats/config_schema.py",
        "    return option in PROTECTED\n",
        "    return False\n",
        f"{SETTINGS}::test_a_repositorys_own_config_runs_no_program",
    ),
    Mutant(
        "S5: a config.local that Git keeps is the repository's",
        "project/settings.py",
        "return level.name == REPO or (level.name == LOCAL and bool(self._local_committed))",
        "return level.name == REPO",
        f"{SETTINGS}::test_a_repositorys_own_config_runs_no_program",
    ),
    Mutant(
        "S7: own state that others can write",
        "store/statcache.py",
        "if found.st_uid != os.getuid() or found.st_mode & 0o022:",
        "if False:",
        f"{SETTINGS}::test_own_state_that_others_could_write_is_not_used",
    ),
    Mutant(
        "S7: own state is for its owner",
        "store/statcache.py",
        "fsio.make_dirs(folder, 0o700)",
        "fsio.make_dirs(folder, 0o777)",
        f"{SETTINGS}::test_own_state_lies_where_others_cannot_write",
    ),
    Mutant(
        "S7: a remembered folder that lies",
        "store/statcache.py",
        "if (not boot or boot == self._boot) and checksum == _sum(\n",
        "if (not boot or boot == self._boot) and checksum != (\n",
        f"{CUT}::test_a_row_that_lies_is_found_out",
    ),
    Mutant(
        "S7: a remembered tree that lies",
        "store/statcache.py",
        "return found if good else None",
        "return found",
        f"{CUT}::test_a_row_that_lies_is_found_out",
    ),
    Mutant(
        "S9: alias bombs",
        "formats/yaml_events.py",
        "ALIAS_FREE_NODES = 100_000",
        "ALIAS_FREE_NODES = 10**15",
        "tests/unit/test_yamlio.py",
    ),
    Mutant(
        "S10: links that Git keeps where our own files belong",
        "project/committed.py",
        "if os.path.islink(path) and is_committed(path):",
        "if False:",
        f"{LINKS}::test_nothing_is_written_or_swept_through_links_in_our_own_places",
    ),
    Mutant(
        "S10: links inside the cache",
        "store/objects.py",
        "if inside and os.path.islink(path):",
        "if False:",
        f"{LINKS}::test_nothing_is_written_or_swept_through_links_in_our_own_places",
    ),
    Mutant(
        "S10: no file is written through a link to elsewhere",
        "disk/fsio.py",
        'if within is not None and not real.startswith(within + "/"):',
        "if False:",
        f"{LINKS}::test_no_file_that_is_written_is_a_link_to_elsewhere",
    ),
    Mutant(
        "S10: devices and pipes in the place of metadata",
        "disk/reading.py",
        "_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY",
        "_READ = os.O_RDONLY | os.O_CLOEXEC",
        f"{LINKS}::test_no_file_of_a_project_is_read_without_end",
    ),
    Mutant(
        "S10: pipes and devices at a folder remote",
        "store/transports/local.py",
        "            return read_regular(path)\n",
        "            return open(path, 'rb').read()\n",
        "tests/contract/test_local.py::test_what_is_no_file_under_a_name_is_told_at_once",
    ),
    Mutant(
        "S12: filters that the repository names",
        "git/filters.py",
        "        if is_own or",
        "        if False or",
        "tests/unit/test_git_hostile.py::test_no_filter_that_a_repository_names_is_run_to_look_at_it",
    ),
    Mutant(
        "17: pipes are named",
        "disk/walk.py",
        "        tree.problems.append((path, _KINDS.get(kind",
        "        tree.skipped.append((path, _KINDS.get(kind",
        f"{REPO}::test_a_pipe_in_a_folder_is_named_and_nobody_hangs",
    ),
    Mutant(
        "14: names that are no UTF-8",
        "disk/walk.py",
        "    if names:\n        _check_names(tree, folder)\n",
        "",
        f"{REPO}::test_all_bad_entries_are_named_at_once",
    ),
    Mutant(
        "15: a name without room for .dvc",
        "ops/add.py",
        '    if len(os.fsencode(name)) + len(".dvc") > _NAME_MAX:',
        "    if False:",
        f"{REPO}::test_a_name_without_room_for_its_pointer_is_refused_before_any_work",
    ),
    Mutant(
        "18: a link that leaves the project is warned of",
        "project/workspace.py",
        "    _warn_of_links(project, snapshot, progress)\n",
        "",
        f"{LINKS}::test_a_link_of_the_user_that_leaves_the_project_is_warned_of",
    ),
    Mutant(
        "19: a private file's object is private",
        "disk/batches.py",
        "            mode = _OBJECT_MODE if before.st_mode & 0o044 else _PRIVATE_MODE\n"
        "            fsio.fchmod(out, mode)",
        "            mode = _OBJECT_MODE\n            fsio.fchmod(out, mode)",
        f"{REPO}::test_add_leaves_the_users_file_as_it_is",
    ),
    # -- damage (D2, promises 5, 6, 23, 24) ----
    Mutant(
        "5: damage moves to quarantine",
        "store/objects.py",
        "            fsio.replace(self.path(name), target)\n",
        "            return None\n",
        f"{HURT}::test_checkout_gives_out_no_damaged_object_and_names_it",
    ),
    Mutant(
        "5: what was verified is known by its stats",
        "store/objects.py",
        "            if known[(at := index * STAT_BYTES) : at + STAT_BYTES] != "
        "now[at : at + STAT_BYTES]\n",
        "            if (at := index * STAT_BYTES) < 0\n",
        f"{HURT}::test_adding_a_good_file_repairs_its_damaged_twin",
    ),
    Mutant(
        "5: a copy is hashed on its way out",
        "disk/taking_out.py",
        "        if found.hex() != digest:\n",
        "        if False:\n",
        f"{HURT}::test_checkout_gives_out_no_damaged_object_and_names_it",
    ),
    Mutant(
        "5: a link is made only to verified bytes",
        "disk/taking_out.py",
        "    if key != verified and hex_of_file(source, algorithm) != digest:\n",
        "    if False:\n",
        f"{HURT}::test_checkout_gives_out_no_damaged_object_and_names_it",
    ),
    Mutant(
        "6: a good file repairs its damaged twin, copies",
        "store/intake.py",
        "            met -= store.verify(sorted(met))\n",
        "",
        f"{DAMAGE}::test_a_good_copy_beats_a_bad_one",
    ),
    Mutant(
        "6: a good file repairs its damaged twin, links",
        "store/intake.py",
        "        here -= store.verify(sorted(here - _own_objects(store, by_source)))\n",
        "",
        f"{DAMAGE}::test_a_good_copy_beats_a_bad_one",
    ),
    Mutant(
        "6: what is no file is no object",
        "store/objects.py",
        "        return stat.S_ISREG(os.lstat(path).st_mode)\n",
        "        return os.path.lexists(path)\n",
        f"{DAMAGE}::test_a_damaged_object_is_never_handed_on",
    ),
    Mutant(
        "23: push looks, and compares sizes",
        "ops/sync.py",
        "if size is None or name not in sizes or sizes[name] == size",
        "if True",
        f"{HURT}::test_push_brings_back_what_the_remote_lost",
    ),
    Mutant(
        "24: a download is hashed",
        "disk/copying.py",
        "    found_md5 = md5(data).hexdigest()\n",
        "    found_md5 = expected or md5(data).hexdigest()\n",
        f"{HURT}::test_pull_takes_no_damaged_object_from_the_remote",
    ),
    Mutant(
        "24: a list is hashed",
        "store/remote.py",
        "        if found != name[:32]:\n",
        "        if False:\n",
        f"{DAMAGE}::test_damage_at_a_folder_remote_stays_there",
    ),
    # -- order and races (sections 1 and 3) ----
    Mutant(
        "D1: objects are flushed before they are named",
        "store/publishing.py",
        "        self.barrier.flush(few)\n",
        "",
        "tests/crash/test_power_loss_model.py",
    ),
    Mutant(
        "D1: names are flushed before the pointer",
        "store/publishing.py",
        "        flush_names(store, self.barrier, names)\n",
        "",
        "tests/crash/test_power_loss_model.py",
    ),
    Mutant(
        "D4: a pointer is flushed before it takes its name",
        "disk/fsio.py",
        "            sync_fd(fd, temporary)\n",
        "",
        "tests/crash/test_power_loss_model.py",
    ),
    Mutant(
        "7: a file that changed while it was read",
        "disk/batches.py",
        "        if stat_key(before) == stat_key(after):\n"
        "            reads.add(digest, stat_key(after), _flags_of(after.st_mode, settled))\n"
        "            return\n        fsio.unlink(target)",
        "        if True:\n"
        "            reads.add(digest, stat_key(after), _flags_of(after.st_mode, settled))\n"
        "            return\n        fsio.unlink(target)",
        "tests/crash/test_no_leases.py::test_a_file_that_changed_while_it_was_copied_is_read_again",
    ),
    Mutant(
        "8: an edit before the exchange is put back",
        "disk/beneath.py",
        "if expected is not None and not _same_file(os.lstat(source), expected):",
        "if False:",
        RACES,
    ),
    Mutant(
        "9: ctime is part of what a file is known by",
        "disk/stats.py",
        "return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)",
        "return (found.st_mtime_ns, 0, found.st_size, found.st_ino)",
        RACES,
    ),
    Mutant(
        "28: what remove takes has a name in the log",
        "ops/remove.py",
        "remove_output(project, look, unsaved)",
        "remove_output(project, look)",
        "tests/cli/test_undo_of_edits.py",
    ),
    Mutant(
        "23: what is young is so by the clock of its own disk",
        "ops/gc.py",
        "    return clock.clock_ns(scratch)\n",
        "    return time.time_ns()\n",
        "tests/crash/test_clocks.py",
    ),
    Mutant(
        "27: what can only be read can be looked at",
        "disk/clock.py",
        "    except OSError:\n        return time.time_ns()\n",
        "    except FileExistsError:\n        return time.time_ns()\n",
        "tests/crash/test_read_only.py::test_what_can_only_be_read_can_be_looked_at",
    ),
    Mutant(
        "27: what cannot be written is told",
        "disk/fsio.py",
        "    raise disk_error(error, path) from error\n",
        "    raise RuntimeError(path) from error\n",
        "tests/crash/test_read_only.py::"
        "test_what_cannot_be_written_is_told_in_one_sentence_and_nothing_changes",
    ),
    Mutant(
        "D5: what checkout takes away is verified to be in the cache",
        "core/plan.py",
        "            plan.delete.append(path)\n            if current not in stored:\n",
        "            plan.delete.append(path)\n            if False:\n",
        "tests/unit/test_ops_checkout.py tests/unit/test_plan.py",
    ),
    Mutant(
        "D4: an empty pointer is an error",
        "formats/pointer.py",
        "    if document is None:\n        raise InvalidFile(\n",
        "    if document is None:\n        return Stage(file=file, wdir='')\n"
        "    if False:\n        raise InvalidFile(\n",
        "tests/crash/test_cut_metadata.py",
    ),
    Mutant(
        "12: what could not be pushed is a failure",
        "ops/sync.py",
        '        raise TransferFailed(len(report.failures), "upload", report.failures)\n',
        "        pass\n",
        f"{HURT}::test_push_uploads_no_damaged_object_and_names_it",
    ),
    Mutant(
        "15: a torn record of busy paths blocks nobody",
        "disk/mutex.py",
        "except (OSError, ValueError, AttributeError, TypeError, RecursionError):",
        "except OSError:",
        f"{CUT}::test_no_cut_or_flipped_file_loses_anything",
    ),
    Mutant(
        "17: one command at a time",
        "disk/mutex.py",
        "            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "            pass\n",
        f"{RACES} tests/unit/test_mutex.py",
    ),
    # -- secrets (row 11) ----
    Mutant(
        "11: a secret is hidden in every spelling",
        "cli/masking.py",
        "                known |= _spellings(secret)\n",
        "                known |= {secret}\n",
        f"{SECRETS}::test_no_answer_of_a_server_brings_a_secret_out",
    ),
    Mutant(
        "11: secrets of the environment",
        "cli/dispatch.py",
        "ui.mask.learn([*_typed_secrets(argv), *_secrets_around()])",
        "ui.mask.learn(_typed_secrets(argv))",
        f"{SECRETS}::test_no_answer_of_a_server_brings_a_secret_out",
    ),
    Mutant(
        "11: secrets of the settings",
        "cli/commands/config.py",
        "    ctx.ui.mask.learn(settings.secret_values())\n",
        "",
        f"{SECRETS}::test_no_command_shows_a_secret_of_the_settings",
    ),
    Mutant(
        "11: a file with a secret is its owner's",
        "project/config_write.py",
        "mode = 0o600 if private",
        "mode = 0o644 if private",
        f"{SECRETS}::test_a_file_with_a_secret_is_its_owners_alone",
    ),
    Mutant(
        "11: a secret for the committed file is warned of",
        "cli/levels.py",
        "    if place.level != REPO or not is_secret(key[-1], value):\n",
        "    if True:\n",
        f"{SECRETS}::test_a_secret_for_the_committed_file_is_warned_of",
    ),
    # -- what dvc.api reads (promise 41) ----
    Mutant(
        "41: a small object is verified before its first byte is handed out",
        "store/ranges.py",
        "            self._fail(found)\n        self._whole = first",
        "            pass\n        self._whole = first",
        f"{RANGES}::test_no_byte_of_a_small_object_is_handed_out_before_all_are_verified",
    ),
    Mutant(
        "41: the end of a big object is handed out when all is right",
        "store/ranges.py",
        "            if found != self._where.hex[:32]:\n                self._fail(found)",
        "            pass",
        f"{RANGES}::test_the_last_bytes_of_a_damaged_big_object_are_never_handed_out",
    ),
    Mutant(
        "41: a big object has its recorded size",
        "store/ranges.py",
        "if self._recorded is not None and size_bytes != self._recorded:",
        "if False:",
        f"{RANGES}::test_a_big_object_of_another_size_is_damaged",
    ),
    Mutant(
        "41: a damaged object in the cache is passed over",
        "project/stored.py",
        "return io.BytesIO(data) if good else None",
        "return io.BytesIO(data)",
        f"{READING}::test_a_damaged_object_in_the_cache_is_passed_over_and_left_there",
    ),
    Mutant(
        "S1: names in a Git tree",
        "project/reading.py",
        'if name in ("", ".", "..") or "/" in name:',
        'if name == "":',
        f"{READING}::test_a_name_in_a_git_tree_that_is_a_path_is_refused",
    ),
    # -- SSH remotes (section 3.3) ----
    Mutant(
        "SSH: a name only after all bytes were written",
        "store/transports/ssh_files.py",
        "                for answer in [*answers, *last]:\n                    await answer\n",
        "",
        f"{SSH}::test_a_full_disk_at_the_server_is_said_and_publishes_nothing",
    ),
    Mutant(
        "SSH: a name only after the flush",
        "store/transports/ssh_files.py",
        "last = [session.fsync(handle)] if flush else []",
        "last: list[asyncio.Future[None]] = []",
        f"{SSH}::test_bytes_are_flushed_before_they_get_their_name_and_folders_after",
    ),
    Mutant(
        "SSH: folders are flushed",
        "store/transports/ssh_staging.py",
        "flushed.append(session.fsync(handle))",
        "pass",
        f"{SSH}::test_bytes_are_flushed_before_they_get_their_name_and_folders_after",
    ),
    Mutant(
        "SSH: no half of a file under a key",
        "store/transports/ssh_files.py",
        "        staged, handle = await self._new_staged(session)\n",
        "        await self._new_staged(session)\n"
        "        staged = self._path(key)\n"
        "        await self._staging.make_folder(session, staged.rpartition(b'/')[0])\n"
        "        handle = await session.open(staged, WRITE | CREATE)\n",
        f"{SSH}::test_a_connection_that_breaks_off_publishes_nothing",
    ),
    Mutant(
        "SSH: host keys are checked",
        "store/transports/ssh_connect.py",
        'given["known_hosts"] = known\n',
        'given["known_hosts"] = None\n',
        f"{SSH} -k whose_key_is",
    ),
    Mutant(
        "S5: a host that a ProxyCommand could mistake",
        "store/transports/ssh_options.py",
        "if not host or _BAD_IN_HOST.search(host) or",
        "if not host or",
        f"{SSH} -k could_mistake",
    ),
    Mutant(
        "SSH: only what dead runs left is swept",
        "store/transports/ssh_staging.py",
        "its.mtime_s is None or its.mtime_s > oldest",
        "its.mtime_s is None",
        f"{SSH}::test_what_a_dead_run_left_is_swept_when_it_is_old",
    ),
    Mutant(
        "SSH: a listing leaves out what is staged",
        "store/transports/ssh_files.py",
        'if not f"{folder}{name}".startswith(local_staging.PREFIX):',
        "if True:",
        f"{SSH}::test_staged_files_are_no_keys",
    ),
)
