//! Names by which columns say that a row is deleted, without its being so.
//!
//! Applications purge what is soft-deleted on their own, some time later: whoever is hidden by such a
//! column is not hidden but lost.

/// Parts of words for "deleted", "removed", "trash" and "archived": English, German, French, Spanish,
/// Chinese in pinyin and in characters. Accents are taken off before a name is compared.
const STEMS: [&str; 27] = [
    "delet",
    "destroy",
    "discard",
    "expunge",
    "obsolet",
    "purge",
    "remove",
    "removal",
    "trash",
    "archiv",
    "tombstone",
    "geloscht",
    "geloesch",
    "losch",
    "loesch",
    "entfern",
    "papierkorb",
    "supprim",
    "efface",
    "corbeille",
    "elimin",
    "borrad",
    "papelera",
    "shanchu",
    "删除",
    "刪除",
    "回收站",
];

/// Whether a column of this name looks as if it said that a row is deleted.
pub(super) fn looks_soft_deleted(column: &str) -> bool {
    let plain: String = column
        .chars()
        .flat_map(char::to_lowercase)
        .filter(|c| c.is_alphanumeric())
        .map(without_accent)
        .collect();
    STEMS.iter().any(|stem| plain.contains(stem)) || plain == "del" || plain == "isdel"
}

fn without_accent(letter: char) -> char {
    match letter {
        'ä' | 'á' | 'à' | 'â' => 'a',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'í' | 'î' | 'ï' => 'i',
        'ö' | 'ó' | 'ô' => 'o',
        'ü' | 'ú' | 'û' | 'ù' => 'u',
        'ç' => 'c',
        'ñ' => 'n',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_delete_columns_are_known_by_their_names() {
        for name in [
            "deleted",
            "deleted_at",
            "is_deleted",
            "IsDeleted",
            "DELETE_FLAG",
            "removedOn",
            "trashed",
            "archived_at",
            "gelöscht",
            "geloescht_am",
            "Löschdatum",
            "im_papierkorb",
            "supprimé",
            "date_suppression_supprime",
            "effacé_le",
            "eliminado",
            "borrado",
            "is_shanchu",
            "shan_chu",
            "已删除",
            "is_del",
        ] {
            assert!(looks_soft_deleted(name), "{name}");
        }
    }

    #[test]
    fn columns_that_show_or_hide_are_not_among_them() {
        for name in [
            "active",
            "hidden",
            "visible",
            "status",
            "is_active",
            "aktiv",
            "gesperrt",
            "actif",
            "activo",
            "enabled",
            "model",
            "delivery",
            "delivered_at",
            "yincang",
        ] {
            assert!(!looks_soft_deleted(name), "{name}");
        }
    }
}
