package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/xuri/excelize/v2"
)

// rowsOf runs penstock rows in this process.
func rowsOf(t *testing.T, args ...string) (code int, out, told string) {
	t.Helper()
	var o, e bytes.Buffer
	code = execute(t.Context(), haste{context.Background()}, append([]string{"rows"}, args...), streams{out: &o, err: &e})
	return code, o.String(), e.String()
}

func TestRowsOfParquetHaveTheirTypes(t *testing.T) {
	type person struct {
		Name   *string `parquet:"name,optional"`
		Points int64   `parquet:"points"`
		Member bool    `parquet:"member"`
	}
	path := filepath.Join(t.TempDir(), "typed.parquet")
	name := "Ada"
	if err := parquet.WriteFile(path, []person{{&name, 7, true}, {nil, -1, false}}); err != nil {
		t.Fatal(err)
	}
	code, out, told := rowsOf(t, path)
	want := `{"name":"Ada","points":7,"member":true}` + "\n" + `{"name":null,"points":-1,"member":false}` + "\n"
	if code != codeDone || out != want || !strings.Contains(told, "name (") || !strings.Contains(told, "Format       parquet") {
		t.Errorf("exit code %d\n%s%s", code, out, told)
	}
}

func TestRowsOfASheet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "book.xlsx")
	f := excelize.NewFile()
	defer f.Close()
	if _, err := f.NewSheet("Members"); err != nil {
		t.Fatal(err)
	}
	for i, row := range [][]any{{"Email", "Points"}, {"x@example.org", 12.5}, {"y@example.org", nil}} {
		if err := f.SetSheetRow("Members", "A"+string(rune('1'+i)), &row); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.SetCellFormula("Members", "B3", "=1/0"); err != nil {
		t.Fatal(err)
	}
	if err := f.SaveAs(path); err != nil {
		t.Fatal(err)
	}
	code, out, told := rowsOf(t, path, "--sheet", "Members")
	if code != codeRejects || out != `{"Email":"x@example.org","Points":12.5}`+"\n" || !strings.Contains(told, "Sheet        Members") || !strings.Contains(told, "book.xlsx:3: the formula in cell B3") {
		t.Errorf("exit code %d\n%s%s", code, out, told)
	}
	if code, _, told := rowsOf(t, path, "--sheet", "Nobody"); code != codeRefused || !strings.Contains(told, "Nobody") {
		t.Errorf("a sheet that is not there: exit code %d\n%s", code, told)
	}
}
